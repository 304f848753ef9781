import {
  errors,
  type JWTHeaderParameters,
  type JWTPayload,
  type JWTVerifyGetKey,
  jwtVerify,
} from 'jose';
import type { Logger } from 'pino';
import { TroubleError } from '../../../service-layer/errors.ts';
import { type Caller, highestRole, InvalidTokenError, type TokenSource } from './access.ts';
import { OidcIssuer } from './oidc-issuer.ts';
import type { OidcSettings } from './settings.ts';

/** How far the clocks of the issuer and of this machine may be apart. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** Signatures with a private key. With a shared secret, this service could sign tokens too. */
const ALGORITHMS = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/**
 * The types that an access token may have. Many issuers leave the type out, or say plain JWT.
 * Source: RFC 9068, section 4; RFC 8725, section 3.11.
 */
const ACCESS_TOKEN_TYPES = new Set([undefined, 'jwt', 'at+jwt']);

/** Errors of jose about the answers of the issuer, not about the token. */
const ISSUER_ERRORS = new Set(['ERR_JOSE_GENERIC', 'ERR_JWKS_INVALID', 'ERR_JWKS_TIMEOUT']);
/** Why a token is refused, by the code of jose's error. */
const REASONS = new Map([
  ['ERR_JWT_EXPIRED', 'The token has expired'],
  ['ERR_JWS_SIGNATURE_VERIFICATION_FAILED', 'The signature of the token is not valid'],
  ['ERR_JWKS_NO_MATCHING_KEY', 'The issuer has no key that signed the token'],
  ['ERR_JOSE_ALG_NOT_ALLOWED', `The token must be signed with one of ${ALGORITHMS.join(', ')}`],
]);

/** Knows the tokens that an OpenID Connect provider issues for this service (JWT, RFC 7519). */
export class Oidc implements TokenSource {
  readonly #settings: OidcSettings;
  readonly #issuer: OidcIssuer;

  constructor(settings: OidcSettings, log: Logger) {
    this.#settings = settings;
    this.#issuer = new OidcIssuer(settings.issuer, log);
  }

  /** Asks for the issuer's keys, so that a wrong issuer shows at the start. Never rejects. */
  async open(): Promise<void> {
    await this.#issuer.keys().catch(() => {});
  }

  close(): void {
    this.#issuer.close();
  }

  async callerOf(token: string): Promise<Caller | null> {
    const isJwt = token.split('.').length === 3;
    if (!isJwt) return null;
    const keys = await this.#issuer.keys();
    const claims = await this.#verify(token, keys);
    return {
      name: claims.sub ?? 'without a name',
      role: highestRole(rolesIn(claims, this.#settings.rolesClaim)),
    };
  }

  async #verify(token: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
    const { issuer, audience } = this.#settings;
    try {
      const { payload, protectedHeader } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ALGORITHMS,
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        requiredClaims: ['exp'],
      });
      if (!isAccessToken(protectedHeader))
        throw new InvalidTokenError('The type of the token must be JWT or at+jwt');
      return payload;
    } catch (error) {
      if (error instanceof TroubleError || error instanceof InvalidTokenError) throw error;
      if (error instanceof errors.JOSEError && ISSUER_ERRORS.has(error.code))
        throw this.#issuer.trouble(error);
      throw new InvalidTokenError(reasonOf(error));
    }
  }
}

/** Tells whether the type allows an access token. The type of a logout token does not. */
function isAccessToken({ typ }: JWTHeaderParameters): boolean {
  return ACCESS_TOKEN_TYPES.has(typ?.toLowerCase().replace(/^application\//, ''));
}

/** Says in words why a token is refused. The words of jose may show some of the token. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTClaimValidationFailed)
    return `The token's claim ${error.claim} is missing, or is not valid here`;
  const { code = '' } = error as NodeJS.ErrnoException;
  return REASONS.get(code) ?? 'The token is not valid';
}

/** Finds the roles in the claims: a list, or a text with spaces as in `scope`. */
function rolesIn(claims: JWTPayload, path: string): readonly unknown[] {
  const isName = Object.hasOwn(claims, path);
  const value = (isName ? [path] : path.split('.')).reduce<unknown>(
    (within, name) => (isObject(within) && Object.hasOwn(within, name) ? within[name] : null),
    claims,
  );
  if (typeof value === 'string') return value.split(' ');
  return Array.isArray(value) ? value : [];
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
