import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { ISocketFactory, KafkaConfig } from 'kafkajs';
import type { Logger } from 'pino';
import type { PasswordMechanism } from '../kafkajs-internals.ts';
import { byPassword, byToken } from './authenticators.ts';
import { BROKEN_HANDSHAKE } from './connection-problems.ts';
import { type OAuthClient, OAuthTokens } from './oauth-tokens.ts';
import { certificateSubject, TlsContexts, type TlsFiles } from './tls-files.ts';

/** How the connections to Kafka are secured. */
export interface SecuritySettings {
  /** Null: connections are not encrypted. */
  readonly tls: TlsFiles | null;
  /** Null: the client shows at most its certificate. */
  readonly sasl: SaslSettings | null;
}

export type SaslSettings =
  | {
      readonly mechanism: PasswordMechanism;
      readonly username: string;
      readonly password: string;
    }
  | ({ readonly mechanism: 'OAUTHBEARER' } & OAuthClient);

/** The delay of kafkajs. Keep-alive notices a node that went away without a word. */
const KEEP_ALIVE_DELAY_MS = 60_000;

/**
 * Encrypts and authenticates connections. All connections of a client share one object of this
 * class, and with it the certificates and the token.
 */
export class ConnectionSecurity {
  /** The part of kafkajs's configuration that secures its connections, and ours. */
  readonly config: Pick<KafkaConfig, 'socketFactory' | 'sasl'>;
  readonly #user: () => string;

  constructor({ tls, sasl }: SecuritySettings, log: Logger) {
    const login = sasl && loginOf(sasl);
    this.config = {
      ...(tls && { socketFactory: tlsSockets(new TlsContexts(tls, log)) }),
      ...(login && { sasl: login.mechanism }),
    };
    this.#user = () => login?.user() ?? (tls && certificateSubject(tls)) ?? 'ANONYMOUS';
  }

  /** Returns the name under which Kafka knows this client, unless the broker maps the names. */
  get principal(): string {
    return `User:${this.#user()}`;
  }
}

function loginOf(sasl: SaslSettings) {
  if (sasl.mechanism !== 'OAUTHBEARER')
    return { mechanism: byPassword(sasl.mechanism, sasl), user: () => sasl.username };
  const tokens = new OAuthTokens(sasl);
  return { mechanism: byToken(tokens), user: () => tokens.subject };
}

/** Makes kafkajs open TLS sockets that verify the certificate and the name of the broker. */
function tlsSockets(contexts: TlsContexts): ISocketFactory {
  return ({ host, port, onConnect }) => {
    const options = {
      host,
      port,
      // A server name must not be an address. Node verifies an address without a server name too.
      ...(isIP(host) ? {} : { servername: host }),
      secureContext: contexts.current(),
      rejectUnauthorized: true,
    };
    const socket = connect(options, onConnect).setKeepAlive(true, KEEP_ALIVE_DELAY_MS);
    // kafkajs listens after this listener, and copies the code to its own error.
    const nameBreak = (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') error.code = BROKEN_HANDSHAKE;
    };
    socket.once('error', nameBreak).once('secureConnect', () => socket.off('error', nameBreak));
    return socket;
  };
}
