import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  checkServerIdentity,
  createSecureContext,
  type SecureContext,
} from 'node:tls';
import { DatabaseTroubleError } from '../../../service-layer/errors.ts';
import { messageOf } from '../errors.ts';
import type { TlsParameters } from './tls-parameters.ts';

/** The part of the driver's client that this file uses. */
interface TlsClient {
  readonly connection: { ssl: unknown };
  connect(...call: readonly unknown[]): unknown;
}

/** The part of the driver's pool that this file uses. */
export interface TlsPool {
  Client: new (options: never) => TlsClient;
}

/**
 * Encrypts each connection of the pool as the parameters say. The certificates are read anew for
 * each connection, so that renewed files count without a restart.
 *
 * @param pool was created with `ssl: true`
 */
export function encryptConnections(pool: TlsPool, parameters: TlsParameters): void {
  pool.Client = class extends pool.Client {
    override connect(...call: readonly unknown[]): unknown {
      try {
        this.connection.ssl = tlsOptions(parameters);
      } catch (error) {
        // The pool may call this from an event, where a thrown error would end the process.
        const [callback] = call;
        if (typeof callback !== 'function') return Promise.reject(error);
        return process.nextTick(callback as (error: unknown) => void, error);
      }
      return super.connect(...call);
    }
  };
}

/**
 * Translates the parameters into Node's options. The parameters mean what they mean to libpq.
 *
 * @throws {DatabaseTroubleError} a certificate or key cannot be read; the message names the file
 */
function tlsOptions({ mode, host, rootCert, client }: TlsParameters): ConnectionOptions {
  return {
    secureContext: readCertificates(rootCert, client),
    // libpq treats "require" with a root certificate as "verify-ca".
    rejectUnauthorized: mode !== 'require' || rootCert !== null,
    // The driver itself would compare the certificate of an IP address with "localhost".
    checkServerIdentity: (_, certificate) =>
      mode === 'verify-full' ? checkServerIdentity(host, certificate) : undefined,
  };
}

function readCertificates(
  rootCert: TlsParameters['rootCert'],
  client: TlsParameters['client'],
): SecureContext {
  const ca = rootCert === null ? null : read('sslrootcert', rootCert);
  const own =
    client === null ? {} : { cert: read('sslcert', client.cert), key: read('sslkey', client.key) };
  try {
    // Node itself would ignore a root certificate that it cannot read, and then trust nobody.
    if (ca) new X509Certificate(ca);
    return createSecureContext({ ...(ca && { ca }), ...own });
  } catch (error) {
    const files = [...(rootCert ? [rootCert] : []), ...(client ? [client.cert, client.key] : [])];
    throw new DatabaseTroubleError(
      `The certificates in ${files.join(', ')} cannot be used: ${messageOf(error)}. Name PEM ` +
        'files, a key without a passphrase, and the key of the certificate',
      { cause: error },
    );
  }
}

function read(parameter: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new DatabaseTroubleError(
      `The file of ${parameter} cannot be read: ${messageOf(error)}. Name a file that the ` +
        'service may read',
      { cause: error },
    );
  }
}
