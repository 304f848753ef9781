/** The settings of the doors of the HTTP API: who may enter, and under which names. */
export interface DoorSettings {
  /** Whether nobody needs a token, even on addresses that other machines reach. */
  readonly isOpen: boolean;
  /** The list of tokens; null: there is none. */
  readonly tokensFile: string | null;
  /** Who issues tokens; null: nobody. */
  readonly oidc: OidcSettings | null;
  /** The certificate and its private key; null: the API speaks plain HTTP. */
  readonly tls: CertificateFiles | null;
  /** The URLs under which clients reach the API, besides loopback names and addresses. */
  readonly publicUrls: readonly URL[];
  /** How many requests one client may send in a second. */
  readonly requestsPerSecond: number;
  /** The port of probes and metrics; null: they are on the port of the API. */
  readonly metricsPort: number | null;
}

export interface OidcSettings {
  /** The `iss` of the tokens, letter by letter. */
  readonly issuer: string;
  /** The `aud` of the tokens. */
  readonly audience: string;
  /** The claim that lists the roles: its name, or a path such as `realm_access.roles`. */
  readonly rolesClaim: string;
}

/** Paths of PEM files. */
export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** Tells whether callers need a token. */
export function needsTokens({ tokensFile, oidc }: DoorSettings): boolean {
  return tokensFile !== null || oidc !== null;
}
