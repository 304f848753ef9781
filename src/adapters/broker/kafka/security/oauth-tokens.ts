import { TroubleError } from '../../../../service-layer/errors.ts';

/** Where and as whom the client gets its tokens (OAuth 2.0, client credentials). */
export interface OAuthClient {
  readonly tokenEndpoint: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly scope: string | null;
}

interface Token {
  readonly value: string;
  readonly askedAtMs: number;
  /** The client uses the token until this time without a question, by `performance.now()`. */
  readonly freshUntilMs: number;
  readonly expiresAtMs: number;
}

const ANSWER_TIMEOUT_MS = 5_000;
/** How long a failure answers all callers, without a new question to the endpoint. */
const PAUSE_MS = 1_000;
/** A broker that refuses a younger token would refuse the next one as well. */
const LEAST_AGE_MS = 10_000;
/**
 * The share of its life in which a token is used. The rest is for the session that begins with the
 * token, and for an endpoint that is away.
 */
const FRESH_SHARE = 0.8;
/** An error of RFC 6749. Other texts of the endpoint may repeat a secret. */
const ERROR_NAME = /^[a-z_]{1,40}$/;

/** Gets tokens from the token endpoint, and keeps each one until shortly before it expires. */
export class OAuthTokens {
  readonly #client: OAuthClient;
  #token: Token | null = null;
  #fetching: Promise<Token> | null = null;
  #failure: { readonly error: unknown; readonly atMs: number } | null = null;

  constructor(client: OAuthClient) {
    this.#client = client;
  }

  /**
   * Returns a token that is valid for some time.
   * @throws {TroubleError} the endpoint gives none; the message says why, without any secret
   */
  async current(): Promise<string> {
    const known = this.#token;
    if (known && performance.now() < known.freshUntilMs) return known.value;
    try {
      return (await this.#next()).value;
    } catch (error) {
      if (known && performance.now() < known.expiresAtMs) return known.value;
      throw error;
    }
  }

  /** Forgets the token, because a broker has refused it. */
  forget(): void {
    const isOld = this.#token && performance.now() - this.#token.askedAtMs > LEAST_AGE_MS;
    if (isOld) this.#token = null;
  }

  /** Returns the subject of the last token, or else the client's id. */
  get subject(): string {
    const { sub } = claimsOf(this.#token?.value ?? '');
    return typeof sub === 'string' ? sub : this.#client.clientId;
  }

  /** Asks for a token. All callers share one question. */
  async #next(): Promise<Token> {
    if (this.#failure && performance.now() - this.#failure.atMs < PAUSE_MS)
      throw this.#failure.error;
    this.#fetching ??= this.#fetch().finally(() => {
      this.#fetching = null;
    });
    try {
      this.#token = await this.#fetching;
      this.#failure = null;
      return this.#token;
    } catch (error) {
      this.#failure = { error, atMs: performance.now() };
      throw error;
    }
  }

  async #fetch(): Promise<Token> {
    const askedAtMs = performance.now();
    const answer = await this.#ask();
    const fields = (await answer.json().catch(() => ({}))) as Readonly<Record<string, unknown>>;
    if (!answer.ok) throw this.#refusal(answer.status, fields.error);
    const { access_token: value, expires_in: lifeSeconds } = fields;
    if (typeof value !== 'string' || value === '')
      throw new TroubleError(`${this.#named} answers without an access_token`);
    const lifeMs = 1_000 * (Number(lifeSeconds) || secondsLeft(value));
    return {
      value,
      askedAtMs,
      freshUntilMs: askedAtMs + FRESH_SHARE * lifeMs,
      expiresAtMs: askedAtMs + lifeMs,
    };
  }

  async #ask(): Promise<Response> {
    const { tokenEndpoint, clientId, clientSecret, scope } = this.#client;
    const credentials = `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`;
    try {
      return await fetch(tokenEndpoint, {
        method: 'POST',
        headers: {
          accept: 'application/json',
          authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
        },
        body: new URLSearchParams({
          grant_type: 'client_credentials',
          ...(scope === null ? {} : { scope }),
        }),
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
    } catch (cause) {
      const { name, message, cause: reason } = cause as Error;
      const why =
        name === 'TimeoutError'
          ? `does not answer within ${ANSWER_TIMEOUT_MS} ms`
          : `cannot be reached (${reason instanceof Error ? reason.message : message})`;
      throw new TroubleError(`${this.#named} ${why}`, { cause });
    }
  }

  #refusal(status: number, error: unknown): TroubleError {
    const name = typeof error === 'string' && ERROR_NAME.test(error) ? ` (${error})` : '';
    const advice =
      'check KAFKA_SASL_OAUTHBEARER_CLIENT_ID, KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET and ' +
      'KAFKA_SASL_OAUTHBEARER_SCOPE';
    return new TroubleError(`${this.#named} answers ${status}${name}: ${advice}`, { advice });
  }

  get #named(): string {
    return `The token endpoint ${this.#client.tokenEndpoint}`;
  }
}

/** Returns how long a token without `expires_in` lives, in seconds; 0 if the token does not say. */
function secondsLeft(token: string): number {
  const { exp } = claimsOf(token);
  return typeof exp === 'number' ? Math.max(0, exp - Date.now() / 1_000) : 0;
}

/** Returns the claims of a JSON Web Token, which the broker verifies; none for other tokens. */
function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  } catch {
    return {};
  }
}
