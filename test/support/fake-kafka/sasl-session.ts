import type { ApiName, RequestOf, ResponseOf } from './apis.ts';
import { CODES } from './codes.ts';
import { bearer, type Conversation, type Passwords, plain, scram } from './sasl-conversations.ts';

/** How a listener authenticates its clients. Tests may change it while the cluster runs. */
export interface FakeSasl {
  mechanisms: readonly ('PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER')[];
  passwords: Passwords;
  isValid: (token: string) => boolean;
  /** How long a session lasts; 0: without end. */
  sessionMs: number;
}

const ALWAYS: readonly ApiName[] = ['ApiVersions', 'SaslHandshake', 'SaslAuthenticate'];
/** Kafka lets a connection authenticate again once a second. */
const LEAST_SESSION_MS = 1_000;

/** The state of one connection's authentication. Source: Apache Kafka, SaslServerAuthenticator. */
export class SaslSession {
  readonly #sasl: FakeSasl | null;
  #conversation: Conversation | null = null;
  #authenticatedAtMs: number | null = null;

  constructor(sasl: FakeSasl | null) {
    this.#sasl = sasl;
  }

  /** Whether Kafka takes this request now. If it does not, it breaks the connection. */
  allows(api: ApiName): boolean {
    if (!this.#sasl || ALWAYS.includes(api)) return true;
    if (this.#conversation || this.#authenticatedAtMs === null) return false;
    const { sessionMs } = this.#sasl;
    return sessionMs === 0 || performance.now() - this.#authenticatedAtMs < sessionMs;
  }

  handshake({ mechanism }: RequestOf<'SaslHandshake'>): ResponseOf<'SaslHandshake'> {
    const mechanisms = [...(this.#sasl?.mechanisms ?? [])];
    const since = performance.now() - (this.#authenticatedAtMs ?? Number.NEGATIVE_INFINITY);
    if (!this.#sasl || since < LEAST_SESSION_MS)
      return { errorCode: CODES.ILLEGAL_SASL_STATE, mechanisms };
    const offered = mechanisms.find((each) => each === mechanism);
    if (!offered) return { errorCode: CODES.UNSUPPORTED_SASL_MECHANISM, mechanisms };
    this.#conversation = conversationOf(offered, this.#sasl);
    return { errorCode: 0, mechanisms };
  }

  authenticate({ bytes }: RequestOf<'SaslAuthenticate'>): ResponseOf<'SaslAuthenticate'> {
    const turn = this.#conversation?.(bytes.toString()) ?? { refusal: 'no handshake' };
    if ('refusal' in turn) {
      this.#conversation = null;
      this.#authenticatedAtMs = null;
      return {
        errorCode: CODES.SASL_AUTHENTICATION_FAILED,
        errorMessage: turn.refusal,
        bytes: Buffer.alloc(0),
        sessionLifetimeMs: 0,
      };
    }
    if (turn.isOver) {
      this.#conversation = null;
      this.#authenticatedAtMs = performance.now();
    }
    const sessionLifetimeMs = turn.isOver ? (this.#sasl?.sessionMs ?? 0) : 0;
    return { errorCode: 0, errorMessage: null, bytes: Buffer.from(turn.says), sessionLifetimeMs };
  }
}

function conversationOf(mechanism: FakeSasl['mechanisms'][number], sasl: FakeSasl): Conversation {
  switch (mechanism) {
    case 'PLAIN':
      return plain(sasl.passwords);
    case 'SCRAM-SHA-256':
      return scram('sha256', sasl.passwords);
    case 'SCRAM-SHA-512':
      return scram('sha512', sasl.passwords);
    case 'OAUTHBEARER':
      return bearer(sasl.isValid);
    default:
      return mechanism satisfies never;
  }
}
