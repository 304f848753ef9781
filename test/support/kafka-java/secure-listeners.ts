import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CertificateFiles } from '../certificates.ts';

/** A way in which clients prove to a broker who they are. */
export interface SecureListener {
  readonly protocol: 'SSL' | 'SASL_SSL';
  readonly settings: Readonly<Record<string, string>>;
  /** Options of the tool that prepares the broker's folder: the users that the broker knows. */
  readonly users?: readonly string[];
  readonly javaOptions?: readonly string[];
}

/** Users with passwords, by SCRAM-SHA-512. @param sessionMs how long a session lasts */
export function scramListener(
  users: Readonly<Record<string, string>>,
  sessionMs: number,
): SecureListener {
  return {
    protocol: 'SASL_SSL',
    settings: {
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config':
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'connections.max.reauth.ms': String(sessionMs),
    },
    users: Object.entries(users).flatMap(([name, password]) => [
      '--add-scram',
      `SCRAM-SHA-512=[name=${name},password=${password}]`,
    ]),
  };
}

/** Clients with certificates. @param trusted the authority that signs them, a PEM file */
export function mutualTlsListener(trusted: string): SecureListener {
  return {
    protocol: 'SSL',
    settings: {
      'ssl.client.auth': 'required',
      'ssl.truststore.type': 'PEM',
      'ssl.truststore.location': trusted,
    },
  };
}

/**
 * Clients with tokens of an OpenID Connect provider. A session ends with its token.
 *
 * @param sessionMs the longest session
 */
export function tokenListener(
  { issuer, audience }: { readonly issuer: string; readonly audience: string },
  sessionMs: number,
): SecureListener {
  const keys = `${issuer}/keys`;
  const security = 'org.apache.kafka.common.security.oauthbearer';
  const mechanism = 'listener.name.sasl_ssl.oauthbearer.sasl';
  const handler = `${security}.OAuthBearerValidatorCallbackHandler`;
  return {
    protocol: 'SASL_SSL',
    settings: {
      'sasl.enabled.mechanisms': 'OAUTHBEARER',
      [`${mechanism}.jaas.config`]: `${security}.OAuthBearerLoginModule required;`,
      [`${mechanism}.server.callback.handler.class`]: handler,
      'sasl.oauthbearer.jwks.endpoint.url': keys,
      'sasl.oauthbearer.expected.issuer': issuer,
      'sasl.oauthbearer.expected.audience': audience,
      'connections.max.reauth.ms': String(sessionMs),
    },
    javaOptions: [`-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls=${keys}`],
  };
}

/** Writes the certificate and the key into one file, as a broker wants them. */
export async function keyStoreOf(
  { cert, key }: CertificateFiles,
  directory: string,
): Promise<string> {
  const file = join(directory, 'keystore.pem');
  await writeFile(file, Buffer.concat([await readFile(key), await readFile(cert)]));
  return file;
}
