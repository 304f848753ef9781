import './patches.ts';
import { createRequire } from 'node:module';
import { TroubleError } from '../../../service-layer/errors.ts';
import { clientConfig, type KafkaOptions } from './client.ts';
import type { Exchange } from './requests/exchange.ts';

/** Where a node listens. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

interface KafkajsConnection {
  readonly socket?: { destroy(error?: Error): void };
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  rejectRequests(error: Error): void;
  send<T>(exchange: Exchange<T>): Promise<T>;
}

const require = createRequire(import.meta.url);
const ConnectionClass: new (
  options: object,
) => KafkajsConnection = require('kafkajs/src/network/connection');
const { createLogger } = require('kafkajs/src/loggers');
const socketFactory: () => object = require('kafkajs/src/network/socketFactory');

/** A node that lives answers a connection within this time; others can be asked meanwhile. */
const CONNECT_TIMEOUT_MS = 2_000;

/**
 * One connection to one node. Requests are answered in their order. Any failure ends the
 * connection: what was in flight on it rejects at once, and the caller opens another one.
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
    const { logLevel, logCreator, clientId } = clientConfig(options, 0);
    const connection = new ConnectionClass({
      ...address,
      clientId,
      logger: createLogger({ level: logLevel, logCreator }),
      socketFactory: socketFactory(),
      connectionTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: CONNECT_TIMEOUT_MS,
      // `send` has a deadline of its own, without a timer that runs all the time.
      enforceRequestTimeout: false,
    });
    try {
      await connection.connect();
    } catch (cause) {
      // kafkajs only ends the socket, which goes on connecting for minutes where nobody answers.
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
   * Sends the request and resolves to its answer, whatever error codes are in it.
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

  /** Closes the connection without waiting; what is in flight rejects with the reason. */
  abandon(reason: Error): void {
    if (this.#failure) return;
    this.#failure = reason;
    this.#connection.rejectRequests(reason);
    this.#connection.socket?.destroy(reason);
    this.#connection.disconnect().catch(() => {});
  }
}
