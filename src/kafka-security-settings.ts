import { z } from 'zod';
import type {
  SaslSettings,
  SecuritySettings,
} from './adapters/broker/kafka/security/connection-security.ts';
import { openTlsFiles, type TlsFiles } from './adapters/broker/kafka/security/tls-files.ts';
import { ConfigError } from './config-error.ts';
import { isTrustedUrl } from './trusted-url.ts';

const PROTOCOLS = ['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'] as const;
const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'] as const;

/** The settings that secure the connections to Kafka, with the names of Kafka's own settings. */
export const kafkaSecuritySettings = {
  KAFKA_SECURITY_PROTOCOL: z
    .enum(PROTOCOLS, `must be one of ${PROTOCOLS.join(', ')}`)
    .default('PLAINTEXT'),
  KAFKA_SSL_CA_FILE: z.string().optional(),
  KAFKA_SSL_CERT_FILE: z.string().optional(),
  KAFKA_SSL_KEY_FILE: z.string().optional(),
  KAFKA_SSL_KEY_PASSWORD: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(MECHANISMS, `must be one of ${MECHANISMS.join(', ')}`).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: z
    .string()
    .refine(
      isTrustedUrl,
      'must be an https URL without user and query, or http on a loopback address',
    )
    .optional(),
  KAFKA_SASL_OAUTHBEARER_CLIENT_ID: z.string().optional(),
  KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: z.string().optional(),
  KAFKA_SASL_OAUTHBEARER_SCOPE: z.string().optional(),
};

type Values = z.infer<z.ZodObject<typeof kafkaSecuritySettings>>;
type Name = keyof Values;

const TLS: readonly Name[] = [
  'KAFKA_SSL_CA_FILE',
  'KAFKA_SSL_CERT_FILE',
  'KAFKA_SSL_KEY_FILE',
  'KAFKA_SSL_KEY_PASSWORD',
];
const PASSWORD: readonly Name[] = ['KAFKA_SASL_USERNAME', 'KAFKA_SASL_PASSWORD'];
const CLIENT: readonly Name[] = [
  'KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL',
  'KAFKA_SASL_OAUTHBEARER_CLIENT_ID',
  'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET',
];
const SASL: readonly Name[] = [
  'KAFKA_SASL_MECHANISM',
  ...PASSWORD,
  ...CLIENT,
  'KAFKA_SASL_OAUTHBEARER_SCOPE',
];

/**
 * Returns how the connections to Kafka are secured; null: the connections are plain.
 *
 * @throws {ConfigError} settings contradict each other, one is missing, or a file cannot be used
 */
export function kafkaSecurityOf(
  values: Values,
  kafkaBrokers: readonly string[] | undefined,
): SecuritySettings | null {
  const protocol = values.KAFKA_SECURITY_PROTOCOL;
  const hasTls = protocol === 'SSL' || protocol === 'SASL_SSL';
  const hasSasl = protocol === 'SASL_PLAINTEXT' || protocol === 'SASL_SSL';
  if (!hasTls) refuse(values, TLS, 'KAFKA_SECURITY_PROTOCOL=SSL or SASL_SSL');
  if (!hasSasl) refuse(values, SASL, 'KAFKA_SECURITY_PROTOCOL=SASL_PLAINTEXT or SASL_SSL');
  if (protocol === 'PLAINTEXT') return null;
  if (!kafkaBrokers)
    throw new ConfigError(
      `KAFKA_SECURITY_PROTOCOL=${protocol} needs KAFKA_BROKERS: set that to host:port`,
    );
  return Object.freeze({
    tls: hasTls ? tlsFilesOf(values) : null,
    sasl: hasSasl ? saslOf(values) : null,
  });
}

function tlsFilesOf(values: Values): TlsFiles {
  if (values.KAFKA_SSL_CERT_FILE !== undefined)
    demand(values, ['KAFKA_SSL_KEY_FILE'], 'KAFKA_SSL_CERT_FILE');
  if (values.KAFKA_SSL_KEY_FILE !== undefined)
    demand(values, ['KAFKA_SSL_CERT_FILE'], 'KAFKA_SSL_KEY_FILE');
  if (values.KAFKA_SSL_KEY_PASSWORD !== undefined)
    demand(values, ['KAFKA_SSL_KEY_FILE'], 'KAFKA_SSL_KEY_PASSWORD');
  const files = Object.freeze({
    caFile: values.KAFKA_SSL_CA_FILE ?? null,
    certFile: values.KAFKA_SSL_CERT_FILE ?? null,
    keyFile: values.KAFKA_SSL_KEY_FILE ?? null,
    keyPassword: values.KAFKA_SSL_KEY_PASSWORD ?? null,
  });
  try {
    openTlsFiles(files);
  } catch (cause) {
    throw new ConfigError((cause as Error).message, { cause });
  }
  return files;
}

function saslOf(values: Values): SaslSettings {
  const mechanism = values.KAFKA_SASL_MECHANISM;
  if (mechanism === undefined)
    throw new ConfigError(
      `KAFKA_SECURITY_PROTOCOL=${values.KAFKA_SECURITY_PROTOCOL} needs KAFKA_SASL_MECHANISM: ` +
        `one of ${MECHANISMS.join(', ')}`,
    );
  const setting = `KAFKA_SASL_MECHANISM=${mechanism}`;
  if (mechanism === 'OAUTHBEARER') {
    refuse(values, PASSWORD, 'KAFKA_SASL_MECHANISM=PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512');
    const [tokenEndpoint = '', clientId = '', clientSecret = ''] = demand(values, CLIENT, setting);
    const scope = values.KAFKA_SASL_OAUTHBEARER_SCOPE ?? null;
    return Object.freeze({ mechanism, tokenEndpoint, clientId, clientSecret, scope });
  }
  refuse(values, [...CLIENT, 'KAFKA_SASL_OAUTHBEARER_SCOPE'], 'KAFKA_SASL_MECHANISM=OAUTHBEARER');
  const [username = '', password = ''] = demand(values, PASSWORD, setting);
  return Object.freeze({ mechanism, username, password });
}

/** Refuses settings without effect. @throws {ConfigError} one of them is given */
function refuse(values: Values, names: readonly Name[], needed: string): void {
  const given = names.find((name) => values[name] !== undefined);
  if (!given) return;
  const advice = `set that, or leave ${given} out`;
  throw new ConfigError(`${given} needs ${needed}: ${advice}`, { advice });
}

/** Returns the values of the settings. @throws {ConfigError} one of them is missing */
function demand(values: Values, names: readonly Name[], because: string): readonly string[] {
  const missing = names.find((name) => values[name] === undefined);
  if (missing) {
    const advice = `set ${missing} too`;
    throw new ConfigError(`${because} needs ${missing}: ${advice}`, { advice });
  }
  return names.map((name) => String(values[name]));
}
