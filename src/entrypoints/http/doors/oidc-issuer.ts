import { createRemoteJWKSet, customFetch, type JWTVerifyGetKey } from 'jose';
import type { Logger } from 'pino';
import { TroubleError } from '../../../service-layer/errors.ts';

/** How long the issuer may take to answer. */
const TIMEOUT_MS = 5_000;
/** The shortest pause between two questions for an unknown key, or to an absent issuer. */
const COOLDOWN_MS = 5_000;
/** How long a key stays valid here after the issuer has withdrawn it. */
const KEYS_MAX_AGE_MS = 600_000;

/** The fields of an issuer's metadata that this service reads, not checked yet. */
interface Discovery {
  readonly issuer?: unknown;
  readonly jwks_uri?: unknown;
}

/** Asks an OpenID Connect provider for its keys, and again when a token has an unknown key. */
export class OidcIssuer {
  readonly #issuer: string;
  readonly #log: Logger;
  readonly #closing = new AbortController();
  #keys: Promise<JWTVerifyGetKey> | null = null;
  #askAgainAtMs = 0;

  /** @param issuer the `iss` of the issuer's tokens */
  constructor(issuer: string, log: Logger) {
    this.#issuer = issuer;
    this.#log = log;
  }

  /** Gives up the requests under way. */
  close(): void {
    this.#closing.abort();
  }

  /**
   * Returns a function that finds the key of a token.
   * @throws {TroubleError} the issuer cannot be asked now; the function may throw the same
   */
  keys(): Promise<JWTVerifyGetKey> {
    this.#keys ??= this.#discover().catch((error: unknown) => {
      this.#keys = null;
      throw error;
    });
    return this.#keys;
  }

  /**
   * Turns an error into one that says to try again, and logs why.
   * @param error says what is wrong with the issuer's answer
   */
  trouble(error: unknown): TroubleError {
    const { message, cause } = error as Error;
    const why = cause instanceof Error ? `${message} (${cause.message})` : message;
    if (!this.#closing.signal.aborted)
      this.#log.error(`HTTP_OIDC_ISSUER=${this.#issuer} cannot be used: ${why}`);
    this.#askAgainAtMs = Date.now() + COOLDOWN_MS;
    return notNow(error);
  }

  /** Source: OpenID Connect Discovery 1.0, sections 4 and 4.3. */
  async #discover(): Promise<JWTVerifyGetKey> {
    const url = `${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const response = await this.#ask(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    let keysUrl: URL;
    try {
      keysUrl = this.#keysUrl((await response.json()) as Discovery);
    } catch (error) {
      throw this.trouble(error);
    }
    return createRemoteJWKSet(keysUrl, {
      timeoutDuration: TIMEOUT_MS,
      cooldownDuration: COOLDOWN_MS,
      cacheMaxAge: KEYS_MAX_AGE_MS,
      [customFetch]: (address, options) => this.#ask(address, options),
    });
  }

  #keysUrl(found: Discovery): URL {
    if (found.issuer !== this.#issuer)
      throw new Error(`it calls itself ${JSON.stringify(found.issuer)}`);
    const url = URL.parse(String(found.jwks_uri));
    if (url?.protocol !== new URL(this.#issuer).protocol)
      throw new Error(`its jwks_uri is ${JSON.stringify(found.jwks_uri)}`);
    return url;
  }

  /** @throws {TroubleError} */
  async #ask(
    url: string,
    options: RequestInit & { readonly signal: AbortSignal },
  ): Promise<Response> {
    if (Date.now() < this.#askAgainAtMs) throw notNow();
    const signal = AbortSignal.any([this.#closing.signal, options.signal]);
    try {
      const response = await fetch(url, { ...options, redirect: 'error', signal });
      if (response.status !== 200) throw new Error(`${url} answers ${response.status}`);
      return response;
    } catch (error) {
      throw this.trouble(error);
    }
  }
}

function notNow(cause?: unknown): TroubleError {
  return new TroubleError('The issuer of tokens cannot be asked now', { cause });
}
