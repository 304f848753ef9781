import { X509Certificate } from 'node:crypto';
import type { Server } from 'node:tls';
import type { Logger } from 'pino';
import { ListenError } from '../listen-error.ts';
import { RenewedFiles } from './renewed-files.ts';
import type { CertificateFiles } from './settings.ts';

/**
 * The cipher suites of TLS 1.2 with forward secrecy and authenticated encryption. All suites of
 * TLS 1.3 have both. Source: RFC 9325, section 4.2.
 */
const CIPHERS = 'ECDHE+AESGCM:ECDHE+CHACHA20';

/** Gives a server the certificate of HTTP_TLS_CERT_FILE, also after the file has changed. */
export class Certificate {
  readonly #files: CertificateFiles;
  readonly #renewed: RenewedFiles;
  readonly #log: Logger;
  #server: Server | null = null;

  constructor(files: CertificateFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
    this.#renewed = new RenewedFiles(
      [files.certFile, files.keyFile],
      ([cert = '', key = '']) => this.#use(cert, key),
      log,
    );
  }

  /**
   * Gives the server the certificate before it listens. Connections that are open when the files
   * change keep the former certificate.
   *
   * @throws {ListenError} the files cannot be read, or do not fit one another
   */
  async open(server: Server): Promise<void> {
    this.#server = server;
    await this.#renewed.open().catch((cause: Error) => {
      const { certFile, keyFile } = this.#files;
      throw new ListenError(
        `HTTP_TLS_CERT_FILE=${certFile} and HTTP_TLS_KEY_FILE=${keyFile} cannot be used: ` +
          cause.message,
        { cause },
      );
    });
  }

  close(): void {
    this.#renewed.close();
  }

  #use(cert: string, key: string): void {
    const { subject, validToDate } = new X509Certificate(cert);
    this.#server?.setSecureContext({ cert, key, ciphers: CIPHERS });
    const isExpired = validToDate.getTime() < Date.now();
    this.#log[isExpired ? 'warn' : 'info'](
      { subject, validTo: validToDate.toISOString() },
      isExpired
        ? 'The certificate of the HTTP API has expired: renew HTTP_TLS_CERT_FILE'
        : 'The HTTP API has a certificate',
    );
  }
}
