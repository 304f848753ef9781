import { z } from 'zod';
import { withTlsDefaults } from './adapters/database/connection/tls-parameters.ts';
import { ConfigError } from './config-error.ts';
import { doorsOf, httpDoorSettings } from './http-door-settings.ts';
import { kafkaSecurityOf, kafkaSecuritySettings } from './kafka-security-settings.ts';
import { nearestName } from './nearest-name.ts';
import { postgresTlsSettings, tlsDefaultsOf } from './postgres-tls-settings.ts';
import { isSecret, SECRET_FILES, withSecretFiles } from './secret-files.ts';
import { tracingOf, tracingSettings } from './tracing-settings.ts';

const topic = z
  .string()
  .regex(
    /^[a-zA-Z0-9._-]{1,249}$/,
    'must be a Kafka topic name: 1 to 249 letters, digits, ".", "_" or "-"',
  );
const brokers = z
  .string()
  .transform((text) => text.split(',').map((each) => each.trim()))
  .pipe(
    z
      .array(
        z
          .string()
          .regex(
            /^(\[[^\]]+\]|[^\s:@]+):\d{1,5}$/,
            'must be host:port, several separated by commas',
          ),
      )
      .min(1),
  );
const databaseUrl = z
  .string()
  .regex(
    /^(sqlite:\/\/\/.+|postgres(ql)?:\/\/.+)$/,
    'must be sqlite:///./file.db, sqlite:///:memory: or postgresql://user:password@host:port/name',
  );
const flag = z
  .enum(['true', 'false'], 'must be true or false')
  .transform((text) => text === 'true');

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

const schema = z.object({
  KAFKA_BROKERS: brokers.optional(),
  KAFKA_GROUP_ID: z
    .string()
    .min(1, 'must be 1 to 200 characters')
    .max(200, 'must be 1 to 200 characters')
    .default('allocation'),
  KAFKA_INSTANCE_ID: z
    .string()
    .regex(
      /^[a-zA-Z0-9._-]{1,249}$/,
      'must be 1 to 249 letters, digits, ".", "_" or "-", and different for each process',
    )
    .optional(),
  ...kafkaSecuritySettings,
  COMMANDS_TOPIC: topic.default('allocation.commands'),
  EVENTS_TOPIC: topic.default('allocation.events'),
  DEAD_LETTERS_TOPIC: topic.default('allocation.dead-letters'),
  AUDIT_TOPIC: topic.optional(),
  TOPIC_PARTITIONS: wholeNumber(1, 1_000).default(4),
  KAFKA_CREATE_TOPICS: flag.default(true),
  DATABASE_URL: databaseUrl.default('sqlite:///./cosmicpython.db'),
  DATABASE_POOL_SIZE: wholeNumber(2, 1_000).default(10),
  DATABASE_TIMEOUT_MS: wholeNumber(3_000, 600_000).default(6_000),
  ...postgresTlsSettings,
  AUTO_RECOVER: flag.default(false),
  PARKED_LIMIT: wholeNumber(1, 100_000).default(1_000),
  PARKED_TOTAL_LIMIT: wholeNumber(1, 100_000).default(20_000),
  STRICT_COMMANDS: flag.default(false),
  HTTP_HOST: z
    .string()
    .regex(/^[^\s@/]+$/, 'must be a host name or an address')
    .default('127.0.0.1'),
  HTTP_PORT: wholeNumber(0, 65_535).default(8080),
  HTTP_RATE_LIMIT: wholeNumber(1, 1_000_000).default(1_000),
  METRICS_PORT: wholeNumber(0, 65_535).optional(),
  ...httpDoorSettings,
  ...tracingSettings,
  LOG_LEVEL: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`).default('info'),
});

function wholeNumber(minimum: number, maximum: number) {
  const message = `must be a whole number from ${minimum} to ${maximum}`;
  return z
    .string()
    .regex(/^\d+$/, message)
    .transform(Number)
    .pipe(z.int(message).min(minimum, message).max(maximum, message));
}

/** The service's settings. */
export type Config = ReturnType<typeof readConfig>;

/**
 * Reads the service's settings. Only the exporter of the traces reads the environment itself
 * (`tracing-settings.ts`). An empty variable counts as not set.
 *
 * @throws {ConfigError} a variable is not valid, two topics have the same name, or the file of a
 * secret cannot be read
 */
export function readConfig(environment: NodeJS.ProcessEnv = process.env) {
  const given = Object.fromEntries(
    Object.entries(withSecretFiles(environment)).filter(
      ([name, value]) => value !== '' && name in schema.shape,
    ),
  );
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0]);
    const shown = mayHoldPassword(name, given[name]) ? name : `${name}=${given[name]}`;
    throw new ConfigError(`${shown} is not valid: ${issue?.message}`);
  }
  const values = parsed.data;
  const { COMMANDS_TOPIC, EVENTS_TOPIC, DEAD_LETTERS_TOPIC, AUDIT_TOPIC = null } = values;
  const topics = [COMMANDS_TOPIC, EVENTS_TOPIC, DEAD_LETTERS_TOPIC];
  if (new Set(topics).size < topics.length) {
    throw new ConfigError(
      'COMMANDS_TOPIC, EVENTS_TOPIC and DEAD_LETTERS_TOPIC must be three different topics',
    );
  }
  if (AUDIT_TOPIC !== null && topics.includes(AUDIT_TOPIC))
    throw new ConfigError(
      `AUDIT_TOPIC=${AUDIT_TOPIC} must differ from COMMANDS_TOPIC, EVENTS_TOPIC and ` +
        'DEAD_LETTERS_TOPIC',
    );
  const postgresTls = tlsDefaultsOf(values);
  return Object.freeze({
    kafkaBrokers: values.KAFKA_BROKERS ?? null,
    kafkaSecurity: kafkaSecurityOf(values, values.KAFKA_BROKERS),
    groupId: values.KAFKA_GROUP_ID,
    instanceId: values.KAFKA_INSTANCE_ID ?? null,
    commandsTopic: COMMANDS_TOPIC,
    eventsTopic: EVENTS_TOPIC,
    deadLettersTopic: DEAD_LETTERS_TOPIC,
    auditTopic: AUDIT_TOPIC,
    topicPartitions: values.TOPIC_PARTITIONS,
    createTopics: values.KAFKA_CREATE_TOPICS,
    databaseUrl: withTlsDefaults(values.DATABASE_URL, postgresTls),
    databaseUrlFile: environment.DATABASE_URL_FILE || null,
    postgresTls,
    databaseLimits: Object.freeze({
      poolSize: values.DATABASE_POOL_SIZE,
      timeoutMs: values.DATABASE_TIMEOUT_MS,
    }),
    autoRecover: values.AUTO_RECOVER,
    parkingLimits: Object.freeze({
      ofProduct: values.PARKED_LIMIT,
      inAll: values.PARKED_TOTAL_LIMIT,
    }),
    strictCommands: values.STRICT_COMMANDS,
    httpHost: values.HTTP_HOST,
    httpPort: values.HTTP_PORT,
    httpDoors: doorsOf(values),
    tracing: tracingOf(values),
    logLevel: values.LOG_LEVEL,
  });
}

/** Completes the URL of another database with the TLS settings, such as PGSSLMODE. */
export function completeDatabaseUrl(url: string, config: Pick<Config, 'postgresTls'>): string {
  return withTlsDefaults(url, config.postgresTls);
}

/** Tells whether the value may contain a password: a secret, or another value with an `@`. */
function mayHoldPassword(name: string, value = ''): boolean {
  return isSecret(name) || value.includes('@');
}

/** The names of all variables that the service reads. */
export const SETTINGS: readonly string[] = [...Object.keys(schema.shape), ...SECRET_FILES];

/** A variable that the service does not know, and the setting whose name is the nearest. */
interface UnknownVariable {
  readonly name: string;
  readonly nearest: string;
}

/** Finds variables that look like misspelt settings, such as `HTTPPORT` or `KAFKA_BROKER`. */
export function unknownVariables(
  environment: NodeJS.ProcessEnv = process.env,
): readonly UnknownVariable[] {
  return Object.entries(environment)
    .filter(([name, value]) => value !== '' && !SETTINGS.includes(name))
    .flatMap(([name]) => {
      const nearest = nearestName(name, SETTINGS);
      return nearest === null ? [] : [{ name, nearest }];
    });
}
