import { readFileSync } from 'node:fs';
import { ConfigError } from './config-error.ts';

/** The settings that are secrets. `<NAME>_FILE` names a file that has the secret instead. */
export const SECRETS = [
  'DATABASE_URL',
  'KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET',
  'KAFKA_SASL_PASSWORD',
  'KAFKA_SSL_KEY_PASSWORD',
  'OTEL_EXPORTER_OTLP_HEADERS',
  'OTEL_EXPORTER_OTLP_TRACES_HEADERS',
] as const;

/** The variables that name files of secrets. */
export const SECRET_FILES: readonly string[] = SECRETS.map((name) => `${name}_FILE`);

/** Tells whether the variable is a secret, whose value no error may show. */
export function isSecret(name: string): boolean {
  return SECRETS.some((secret) => secret === name);
}

/**
 * Returns the environment together with the secrets from their files. An empty variable counts as
 * not set. One newline at the end of a file does not belong to the secret.
 *
 * @throws {ConfigError} a secret is given twice, or its file is empty or cannot be read
 */
export function withSecretFiles(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const read = SECRETS.flatMap((name) => {
    const path = environment[`${name}_FILE`];
    if (!path) return [];
    if (environment[name]) {
      const advice = 'keep one of the two';
      throw new ConfigError(`${name} and ${name}_FILE are both set: ${advice}`, { advice });
    }
    return [[name, readSecret(`${name}_FILE`, path)]];
  });
  return { ...environment, ...Object.fromEntries(read) };
}

function readSecret(variable: string, path: string): string {
  let secret: string;
  try {
    secret = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const advice = 'name a readable file';
    throw new ConfigError(`${show(variable, path)} cannot be read (${code}): ${advice}`, {
      advice,
    });
  }
  if (secret === '') {
    const advice = 'write the secret into that file';
    throw new ConfigError(`${show(variable, path)} is empty: ${advice}`, { advice });
  }
  return secret;
}

/** Shows the path, unless somebody has put the secret itself where its path belongs. */
function show(variable: string, path: string): string {
  return /@|:\/\/|\n/.test(path) ? `The file of ${variable}` : `${variable}=${path}`;
}
