import { TroubleError } from '../../../service-layer/errors.ts';
import { clientConfig, type KafkaOptions, withDeadline } from './client.ts';
import { countBrokerError } from './error-counts.ts';
import { createConnection, type KafkajsConnection } from './kafkajs-internals.ts';
import type { Exchange } from './requests/exchange.ts';
import { connectionProblem } from './security/connection-problems.ts';

/** The host and port at which a node listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How long connecting may take. A live node accepts a connection well within this time. */
const CONNECT_TIMEOUT_MS = 2_000;
/** How long authenticating may take. It may need a token of another server first. */
const AUTHENTICATE_TIMEOUT_MS = 8_000;

/**
 * Sends requests to one node, which answers them in their order. Any failure ends the
 * connection: all its unanswered requests reject at once, and the caller opens another connection.
 */
export class NodeConnection {
  readonly address: Address;
  readonly #connection: KafkajsConnection;
  #failure: Error | null = null;

  private constructor(address: Address, connection: KafkajsConnection) {
    this.address = address;
    this.#connection = connection;
  }

  /** @throws {TroubleError} the node cannot be reached within two seconds, or refuses the client */
  static async open(options: KafkaOptions, address: Address): Promise<NodeConnection> {
    const connection = createConnection(address, clientConfig(options, 0), CONNECT_TIMEOUT_MS);
    const node = `${address.host}:${address.port}`;
    try {
      await connection.connect();
    } catch (cause) {
      // kafkajs only ends the socket. Without `destroy` the socket tries to connect for minutes.
      connection.socket?.destroy();
      countBrokerError('unreachable');
      const { message } = cause as Error;
      const problem = connectionProblem(cause, node);
      throw new TroubleError(problem?.text ?? `Kafka at ${node} is unreachable: ${message}`, {
        cause,
        advice: problem?.advice ?? null,
      });
    }
    const opened = new NodeConnection(address, connection);
    if (options.security) await opened.#authenticate();
    return opened;
  }

  get isOpen(): boolean {
    return this.#failure === null && this.#connection.isConnected();
  }

  /**
   * Sends the request and resolves to its answer, even to one with error codes.
   * @throws {TroubleError} the connection broke, or no answer came in time; it is closed then
   */
  async send<T>(exchange: Exchange<T>, timeoutMs: number): Promise<T> {
    const { apiName } = exchange.request;
    const node = `${this.address.host}:${this.address.port}`;
    const timer = setTimeout(() => {
      countBrokerError('timeout');
      this.abandon(
        new TroubleError(`${apiName}: Kafka at ${node} did not answer within ${timeoutMs} ms`),
      );
    }, timeoutMs);
    try {
      return await this.#connection.send(exchange);
    } catch (cause) {
      const failure = this.#failure ?? (cause as Error);
      this.abandon(failure);
      if (failure instanceof TroubleError) throw failure;
      countBrokerError('connection_lost');
      const problem = connectionProblem(failure, node);
      const what = problem?.text ?? `the connection to Kafka at ${node} broke: ${failure.message}`;
      throw new TroubleError(`${apiName}: ${what}`, { cause, advice: problem?.advice ?? null });
    } finally {
      clearTimeout(timer);
    }
  }

  /** @throws {TroubleError} the node refuses the client, or does not answer in time */
  async #authenticate(): Promise<void> {
    const node = `${this.address.host}:${this.address.port}`;
    const doing = `Authenticating at ${node}`;
    try {
      await withDeadline(this.#connection.authenticate(), AUTHENTICATE_TIMEOUT_MS, doing);
    } catch (cause) {
      this.abandon(cause as Error);
      if (cause instanceof TroubleError) throw cause;
      const problem = connectionProblem(cause, node);
      throw new TroubleError(problem?.text ?? `${doing}: ${(cause as Error).message}`, {
        cause,
        advice: problem?.advice ?? null,
      });
    }
  }

  /** Closes the connection at once. Its unanswered requests reject with the reason. */
  abandon(reason: Error): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#connection.rejectRequests(reason);
    this.#connection.socket?.destroy(reason);
    this.#connection.disconnect().catch(() => {});
  }
}
