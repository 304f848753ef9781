import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The files of a certificate and its key, both PEM. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority for one test, whose files lie in the folder of the test. */
export class TestAuthority {
  readonly #folder: string;
  readonly #files: CertificateFiles;

  private constructor(folder: string, files: CertificateFiles) {
    this.#folder = folder;
    this.#files = files;
  }

  /** Creates an authority with openssl. Two authorities in one folder need two names. */
  static async create(folder: string, name: string): Promise<TestAuthority> {
    const files = filesOf(folder, name);
    const self = ['-x509', '-days', '2', '-out', files.cert];
    await openssl('req', ...self, ...newKey(files.key), '-subj', `/CN=${name}`);
    return new TestAuthority(folder, files);
  }

  /** The file of the authority's own certificate. */
  get rootCert(): string {
    return this.#files.cert;
  }

  /**
   * Signs a certificate with a new key. The same name overwrites the files, as a renewal does.
   *
   * @param commonName whom the certificate is for: a host, or a user of the database
   * @param altNames such as `DNS:localhost` or `IP:127.0.0.1`
   * @param days how long the certificate is valid; a negative number: it has expired
   */
  async sign(
    name: string,
    {
      commonName = name,
      altNames = [],
      days = 2,
    }: {
      readonly commonName?: string;
      readonly altNames?: readonly string[];
      readonly days?: number;
    } = {},
  ): Promise<CertificateFiles> {
    const files = filesOf(this.#folder, name);
    const request = join(this.#folder, `${name}.csr`);
    const names = altNames.length === 0 ? [] : ['-addext', `subjectAltName=${altNames.join(',')}`];
    await openssl(
      'req',
      ...newKey(files.key),
      ...['-out', request, '-subj', `/CN=${commonName}`],
      ...names,
    );
    await openssl(
      'x509',
      ...['-req', '-in', request, '-CA', this.#files.cert, '-CAkey', this.#files.key],
      ...['-CAcreateserial', '-copy_extensions', 'copy', '-days', `${days}`, '-out', files.cert],
    );
    return files;
  }
}

function filesOf(folder: string, name: string): CertificateFiles {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

function newKey(file: string): readonly string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', file];
}

async function openssl(...args: readonly string[]): Promise<void> {
  await run('openssl', [...args]);
}
