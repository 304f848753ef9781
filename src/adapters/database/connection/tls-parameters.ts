import { isLoopback } from '../../../loopback.ts';
import { InvalidDatabaseUrlError } from './database-url.ts';

/** libpq's modes that this service takes. `allow` and `prefer` would fall back to plaintext. */
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full'] as const;

/** The parameters of a PostgreSQL url about TLS. Their names and meanings are libpq's. */
const TLS_PARAMETERS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey'] as const;

/** The values of the parameters that a PostgreSQL url leaves out. */
export type TlsDefaults = Readonly<Partial<Record<(typeof TLS_PARAMETERS)[number], string>>>;

/** How connections to one server are encrypted. */
export interface TlsParameters {
  readonly mode: Exclude<(typeof SSL_MODES)[number], 'disable'>;
  /** Whether nobody has chosen the mode. */
  readonly isByDefault: boolean;
  /** The host that the server's certificate must name, if the mode is `verify-full`. */
  readonly host: string;
  /** The file of the trusted authorities. Null: those that Node trusts. */
  readonly rootCert: string | null;
  /** The files of the client's certificate and its key. */
  readonly client: { readonly cert: string; readonly key: string } | null;
}

/** Returns the url with the parameters that it lacks. Urls of other databases stay as they are. */
export function withTlsDefaults(url: string, defaults: TlsDefaults): string {
  if (!/^postgres(ql)?:/.test(url) || !URL.canParse(url)) return url;
  const completed = new URL(url);
  const lacking = Object.entries(defaults).filter(([name]) => !completed.searchParams.has(name));
  for (const [name, value] of lacking) completed.searchParams.set(name, value);
  return lacking.length === 0 ? url : completed.href;
}

/**
 * Tells from the parameters of the url how to encrypt connections. Without `sslmode`, connections
 * to another machine are verified, and so are those for which the url names a certificate.
 *
 * @param url a url of PostgreSQL
 * @returns null: the connections are plain
 * @throws {InvalidDatabaseUrlError} a parameter is unknown, or the parameters contradict each other
 */
export function tlsOf(url: URL): TlsParameters | null {
  const given = readParameters(url);
  const host = hostOf(url);
  if (host.startsWith('/')) return null;
  const { sslrootcert, sslcert, sslkey } = given;
  const isPlainByDefault = isLoopback(host.toLowerCase()) && !(sslrootcert || sslcert || sslkey);
  const mode = given.sslmode ?? (isPlainByDefault ? 'disable' : 'verify-full');
  if (mode === 'disable') return null;
  if (!isMode(mode)) throw new InvalidDatabaseUrlError(UNKNOWN_MODE);
  if (sslrootcert === 'system' && mode !== 'verify-full')
    throw new InvalidDatabaseUrlError('sslrootcert=system needs sslmode=verify-full');
  if (mode === 'verify-ca' && !sslrootcert)
    throw new InvalidDatabaseUrlError(
      'sslmode=verify-ca needs sslrootcert (or PGSSLROOTCERT), the file of the trusted authority',
    );
  if (!sslcert !== !sslkey)
    throw new InvalidDatabaseUrlError(
      'A client certificate needs both sslcert and sslkey (or PGSSLCERT and PGSSLKEY)',
    );
  return {
    mode,
    isByDefault: given.sslmode === undefined,
    host,
    rootCert: sslrootcert && sslrootcert !== 'system' ? sslrootcert : null,
    client: sslcert && sslkey ? { cert: sslcert, key: sslkey } : null,
  };
}

/** Returns the host as the network has it: an IPv6 address without brackets, or a folder. */
export function hostOf(url: URL): string {
  return decodeURIComponent(url.hostname).replace(/^\[(.+)\]$/, '$1');
}

const UNKNOWN_MODE =
  'The PostgreSQL url or PGSSLMODE has an unknown sslmode; use one of: ' +
  `${SSL_MODES.join(', ')} (allow and prefer are refused, because they fall back to plaintext)`;

function isMode(mode: string): mode is TlsParameters['mode'] {
  return mode !== 'disable' && SSL_MODES.some((each) => each === mode);
}

function readParameters({ searchParams }: URL): TlsDefaults {
  for (const name of searchParams.keys()) {
    if (!TLS_PARAMETERS.some((known) => known === name))
      throw new InvalidDatabaseUrlError(
        `The PostgreSQL url has a parameter other than ${TLS_PARAMETERS.join(', ')}`,
      );
  }
  return Object.fromEntries(searchParams);
}
