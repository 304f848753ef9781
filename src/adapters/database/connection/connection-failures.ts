import { TroubleError } from '../../../service-layer/errors.ts';
import { countDatabaseError } from '../error-counts.ts';
import { codeOf, DatabaseUnavailableError, messageOf } from '../errors.ts';
import { describeUrl } from './database-url.ts';
import type { TlsParameters } from './tls-parameters.ts';

/** The part of the driver's pool that this file uses. */
export interface ConnectingPool {
  connect(...call: readonly unknown[]): unknown;
}

/** Where the pool connects to. */
interface Target {
  /** A url of PostgreSQL. */
  readonly url: URL;
  /** Null: the connections are plain. */
  readonly tls: TlsParameters | null;
}

/**
 * Lets each connection that cannot be opened fail with one line that names the database, the host,
 * the user and the next step. A lane tries again after such an error.
 */
export function describeFailures(pool: ConnectingPool, target: Target): void {
  const connect = pool.connect.bind(pool);
  pool.connect = (...call) => {
    const connecting = connect(...call);
    // A caller with a callback gets no promise.
    if (!(connecting instanceof Promise)) return connecting;
    return connecting.catch((error: unknown) => {
      countDatabaseError(codeOf(error));
      const { what, advice } = describeFailure(error, target);
      const message = advice === null ? what : `${what}. ${advice}`;
      throw new DatabaseUnavailableError(message, { cause: error, advice });
    });
  };
}

/** Says what is wrong, and what to do. `advice` is null: what is wrong ends with it. */
function describeFailure(
  error: unknown,
  { url, tls }: Target,
): { readonly what: string; readonly advice: string | null } {
  const user = decodeURIComponent(url.username);
  const where = `${describeUrl(url.href)}${user === '' ? '' : ` as user "${user}"`}`;
  // A certificate could not be read. The message has its own advice.
  if (error instanceof TroubleError)
    return { what: `Cannot use ${where}: ${error.message}`, advice: null };
  const message = reasonOf(error);
  const known = FAILURES.find(({ sign }) => sign.test(`${codeOf(error)} ${message}`));
  if (!known) return { what: `Cannot use ${where}: ${message}`, advice: POSTGRES_ADVICE };
  const choice = known.isAboutTls && tls?.isByDefault ? `. ${HOW_TO_CHOOSE}` : '';
  return {
    what: `Cannot use ${where}: ${known.what} (${message})`,
    advice: `${known.advice}${choice}`,
  };
}

/** Returns the driver's message in one line, without the source file that OpenSSL adds. */
function reasonOf(error: unknown): string {
  const reason = error instanceof Error && 'reason' in error ? error.reason : null;
  return typeof reason === 'string' ? reason : messageOf(error).replace(/\s+/g, ' ').trim();
}

/** The advice for a failure without an advice of its own. */
export const POSTGRES_ADVICE =
  'Check that the server runs and can be reached, and check the user, password and ' +
  'database name in DATABASE_URL';
const HOW_TO_CHOOSE =
  'The url has no sslmode, so the server is verified. To choose otherwise, set sslmode in the ' +
  'url, or PGSSLMODE: "require" encrypts and accepts any certificate; "disable" is plaintext, ' +
  'for a private network';

interface Failure {
  /** Matches the driver's code and message, with a space between them. */
  readonly sign: RegExp;
  readonly isAboutTls: boolean;
  readonly what: string;
  readonly advice: string;
}

/** The codes are SQLSTATEs, and codes of Node or OpenSSL. The first failure that matches counts. */
const FAILURES: readonly Failure[] = [
  {
    sign: /^28P01 /,
    isAboutTls: false,
    what: 'the server refuses the password',
    advice: 'Check the user and password in DATABASE_URL',
  },
  {
    sign: /client password must be a string/,
    isAboutTls: false,
    what: 'the server asks for a password, and the url has none',
    advice: 'Put the password into DATABASE_URL',
  },
  {
    sign: /^28000 .*(no encryption|SSL off)/,
    isAboutTls: false,
    what: 'the server refuses plain connections',
    advice: 'Set sslmode=verify-full in the url, or PGSSLMODE',
  },
  {
    sign: /^28000 .*certificate|ALERT.*(CERT|UNKNOWN_CA)/,
    isAboutTls: false,
    what: 'the server refuses the client certificate, or asks for one',
    advice:
      'Name a certificate of this user and its key with sslcert and sslkey in the url, or with ' +
      'PGSSLCERT and PGSSLKEY',
  },
  {
    sign: /^28000 /,
    isAboutTls: false,
    what: 'the server does not let this user connect from here',
    advice: 'Check the user in DATABASE_URL, and pg_hba.conf of the server',
  },
  {
    sign: /does not support SSL/,
    isAboutTls: true,
    what: 'the server offers no TLS',
    advice: 'Turn it on at the server (ssl=on), or set sslmode=disable in a private network',
  },
  {
    sign: /^CERT_HAS_EXPIRED /,
    isAboutTls: true,
    what: 'the certificate of the server has expired',
    advice: 'Renew it at the server, and compare the clocks of both machines',
  },
  {
    sign: /^CERT_NOT_YET_VALID /,
    isAboutTls: true,
    what: 'the certificate of the server is not valid yet',
    advice: 'Compare the clocks of both machines',
  },
  {
    sign: /^ERR_TLS_CERT_ALTNAME_INVALID /,
    isAboutTls: true,
    what: 'the certificate of the server is for another host',
    advice:
      'Use a host name of the certificate in the url, or give the server a certificate for this ' +
      'one. sslmode=verify-ca accepts any name',
  },
  {
    sign: /^((DEPTH_ZERO_)?SELF_SIGNED|UNABLE_TO_|CERT_(SIGNATURE|UNTRUSTED|REJECTED)|INVALID_CA )/,
    isAboutTls: true,
    what: 'no trusted authority has signed the certificate of the server',
    advice:
      "Name the file of the authority's certificate with sslrootcert in the url, or with " +
      'PGSSLROOTCERT',
  },
];
