import { TroubleError } from '../../../service-layer/errors.ts';
import { clientConfig, type KafkaOptions } from './client.ts';
import { createConnection, type KafkajsConnection } from './kafkajs-internals.ts';
import type { Exchange } from './requests/exchange.ts';

/** The host and port at which a node listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** How long connecting may take. A live node accepts a connection well within this time. */
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * One connection to one node, which answers the requests in their order. Any failure ends the
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

  /** @throws {TroubleError} the node cannot be reached within two seconds */
  static async open(options: KafkaOptions, address: Address): Promise<NodeConnection> {
    const connection = createConnection(address, clientConfig(options, 0), CONNECT_TIMEOUT_MS);
    try {
      await connection.connect();
    } catch (cause) {
      // kafkajs only ends the socket. Without `destroy` the socket tries to connect for minutes.
      connection.socket?.destroy();
      const { message } = cause as Error;
      throw new TroubleError(
        `Kafka at ${address.host}:${address.port} is unreachable: ${message}`,
        { cause },
      );
    }
    return new NodeConnection(address, connection);
  }

  get isOpen(): boolean {
    return this.#failure === null && this.#connection.isConnected();
  }

  /**
   * Sends the request and resolves to its answer, with whatever error codes.
   * @throws {TroubleError} the connection broke, or no answer came in time; it is closed then
   */
  async send<T>(exchange: Exchange<T>, timeoutMs: number): Promise<T> {
    const { apiName } = exchange.request;
    const node = `${this.address.host}:${this.address.port}`;
    const timer = setTimeout(
      () =>
        this.abandon(
          new TroubleError(`${apiName}: Kafka at ${node} did not answer within ${timeoutMs} ms`),
        ),
      timeoutMs,
    );
    try {
      return await this.#connection.send(exchange);
    } catch (cause) {
      const failure = this.#failure ?? (cause as Error);
      this.abandon(failure);
      if (failure instanceof TroubleError) throw failure;
      throw new TroubleError(
        `${apiName}: the connection to Kafka at ${node} broke: ${failure.message}`,
        { cause },
      );
    } finally {
      clearTimeout(timer);
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
