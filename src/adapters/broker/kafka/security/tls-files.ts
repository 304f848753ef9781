import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Logger } from 'pino';

/** The files, in PEM form, that secure the connections by TLS. */
export interface TlsFiles {
  /** The authorities that may sign the brokers' certificates; null: those that Node knows. */
  readonly caFile: string | null;
  /** The client's certificate, with the authorities between it and the root; null for none. */
  readonly certFile: string | null;
  readonly keyFile: string | null;
  readonly keyPassword: string | null;
}

/** What the files contain. */
interface TlsTexts {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
}

/** The files as they were when they could be used. */
interface GoodFiles {
  readonly texts: TlsTexts;
  readonly context: SecureContext;
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;
const BEGINNING = /-----BEGIN CERTIFICATE/g;

/**
 * Reads the files for each new connection, so that renewed certificates need no restart. A file
 * that is being written cannot be used; new connections then use what the files contained before.
 */
export class TlsContexts {
  readonly #files: TlsFiles;
  readonly #log: Logger;
  #good: GoodFiles | null = null;
  #lastComplaint: string | null = null;

  constructor(files: TlsFiles, log: Logger) {
    this.#files = files;
    this.#log = log;
  }

  /** Returns the context for a new connection. @throws {Error} the files could never be used */
  current(): SecureContext {
    try {
      this.#good = openTlsFiles(this.#files, this.#good);
      if (this.#lastComplaint !== null)
        this.#log.info('The certificate files of KAFKA_SSL_... can be used again');
      this.#lastComplaint = null;
      return this.#good.context;
    } catch (error) {
      if (!this.#good) throw error;
      this.#complain((error as Error).message);
      return this.#good.context;
    }
  }

  #complain(message: string): void {
    if (this.#lastComplaint === null)
      this.#log.warn(`${message}. New connections to Kafka use the former certificates`);
    this.#lastComplaint = message;
  }
}

/**
 * Reads the files and makes a TLS context of them.
 * @param known what the files contained before; its context is used again if nothing has changed
 * @throws {Error} a file cannot be used; the message names the setting and says what to do
 */
export function openTlsFiles(files: TlsFiles, known: GoodFiles | null = null): GoodFiles {
  const texts = {
    ca: readText('KAFKA_SSL_CA_FILE', files.caFile),
    cert: readText('KAFKA_SSL_CERT_FILE', files.certFile),
    key: readText('KAFKA_SSL_KEY_FILE', files.keyFile),
  };
  if (known && isSame(texts, known.texts)) return known;
  if (texts.ca !== null) certificatesIn(`KAFKA_SSL_CA_FILE=${files.caFile}`, texts.ca);
  const context = createSecureContext({
    ...(texts.ca === null ? {} : { ca: texts.ca }),
    ...(texts.cert === null || texts.key === null
      ? {}
      : openIdentity(files, texts.cert, texts.key)),
  });
  return { texts, context };
}

/**
 * Reads the subject of the client's certificate.
 * @returns the distinguished name as Kafka writes it; null without a usable certificate
 */
export function certificateSubject({ certFile }: TlsFiles): string | null {
  if (certFile === null) return null;
  try {
    const text = readFileSync(certFile, 'utf8');
    const [leaf] = certificatesIn(certFile, text);
    return leaf ? leaf.subject.split('\n').reverse().join(',') : null;
  } catch {
    return null;
  }
}

/**
 * Opens the client's certificate and its key.
 * @throws {Error} certificate and key do not belong together, or the key cannot be opened
 */
function openIdentity(files: TlsFiles, cert: string, key: string) {
  const [leaf] = certificatesIn(`KAFKA_SSL_CERT_FILE=${files.certFile}`, cert);
  const privateKey = openKey(files, key);
  if (!leaf?.checkPrivateKey(privateKey))
    throw new Error(
      `KAFKA_SSL_KEY_FILE=${files.keyFile} is not the key of the first certificate in ` +
        `KAFKA_SSL_CERT_FILE=${files.certFile}`,
    );
  return { cert, key, ...(files.keyPassword === null ? {} : { passphrase: files.keyPassword }) };
}

function openKey({ keyFile, keyPassword }: TlsFiles, key: string): KeyObject {
  try {
    return createPrivateKey({ key, ...(keyPassword === null ? {} : { passphrase: keyPassword }) });
  } catch (cause) {
    const isEncrypted = key.includes('ENCRYPTED');
    const reason = !isEncrypted
      ? 'has no private key in PEM form'
      : keyPassword === null
        ? 'is encrypted: set KAFKA_SSL_KEY_PASSWORD'
        : 'does not open with KAFKA_SSL_KEY_PASSWORD';
    throw new Error(`KAFKA_SSL_KEY_FILE=${keyFile} ${reason}`, { cause });
  }
}

function readText(setting: string, file: string | null): string | null {
  if (file === null) return null;
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Error(`${setting}=${file} cannot be read (${code}): name a readable file`, { cause });
  }
}

/** Reads the certificates in the text. @throws {Error} there is none, or one is cut off */
function certificatesIn(named: string, text: string): readonly X509Certificate[] {
  const whole = text.match(CERTIFICATE) ?? [];
  const begun = text.match(BEGINNING) ?? [];
  try {
    if (whole.length > 0 && whole.length === begun.length)
      return whole.map((each) => new X509Certificate(each));
  } catch (cause) {
    throw new Error(`${named} has a damaged certificate`, { cause });
  }
  throw new Error(`${named} must have whole certificates in PEM form`);
}

function isSame(one: TlsTexts, other: TlsTexts): boolean {
  return one.ca === other.ca && one.cert === other.cert && one.key === other.key;
}
