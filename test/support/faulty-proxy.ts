import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** Requests whose answers can be lost, by their numbers in Kafka's protocol. */
export const API_KEYS = { Produce: 0, InitProducerId: 22, EndTxn: 26 } as const;

export type LosableAnswer = keyof typeof API_KEYS;

const SIZE_BYTES = 4;

/** One client's connection through the proxy. */
interface Connection {
  readonly client: Socket;
  readonly server: Socket;
  /** Which request each answer will belong to. */
  readonly apiKeyOf: Map<number, number>;
}

/**
 * A TCP proxy between a client and a Kafka broker that knows where one request ends and the next begins.
 *
 * Passes everything on, until it is told to break connections, to swallow everything for a while, or to lose an answer: then the
 * request arrives and is carried out, and the connection breaks in place of the answer.
 */
export class FaultyProxy {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #isBlackHole = false;
  #losing: { readonly apiKey: number; readonly lost: () => void } | null = null;

  private constructor(server: Server, targetPort: number) {
    this.#server = server;
    server.on('connection', (client) => this.#accept(client, targetPort));
  }

  static async open(targetPort: number): Promise<FaultyProxy> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FaultyProxy(server, targetPort);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Breaks every connection with a reset. */
  reset(): void {
    for (const { client, server } of this.#connections) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** From now on nothing arrives on either side, and nobody is told. What was swallowed is gone: ending it breaks the connections. */
  beginBlackHole(): void {
    this.#isBlackHole = true;
  }

  endBlackHole(): void {
    this.#isBlackHole = false;
    this.reset();
  }

  /** Resolves when the next answer of this kind is lost, and its connection broken. */
  loseAnswer(kind: LosableAnswer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#losing = { apiKey: API_KEYS[kind], lost: resolve };
    return promise;
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket, targetPort: number): void {
    const connection = { client, server: connect(targetPort, '127.0.0.1'), apiKeyOf: new Map<number, number>() };
    this.#connections.add(connection);
    const end = () => {
      this.#connections.delete(connection);
      client.destroy();
      connection.server.destroy();
    };
    for (const socket of [client, connection.server]) socket.on('error', end).on('close', end);
    client.on(
      'data',
      frames((frame) => {
        connection.apiKeyOf.set(frame.readInt32BE(SIZE_BYTES + 4), frame.readInt16BE(SIZE_BYTES));
        if (!this.#isBlackHole) connection.server.write(frame);
      }),
    );
    connection.server.on(
      'data',
      frames((frame) => this.#answer(connection, frame)),
    );
  }

  #answer({ client, server, apiKeyOf }: Connection, frame: Buffer): void {
    const correlationId = frame.readInt32BE(SIZE_BYTES);
    const apiKey = apiKeyOf.get(correlationId);
    apiKeyOf.delete(correlationId);
    if (this.#losing && apiKey === this.#losing.apiKey) {
      this.#losing.lost();
      this.#losing = null;
      client.resetAndDestroy();
      server.destroy();
    } else if (!this.#isBlackHole && !client.destroyed) client.write(frame);
  }
}

/** Cuts what arrives into whole frames, size included. */
function frames(onFrame: (frame: Buffer) => void): (chunk: Buffer) => void {
  let waiting: Buffer = Buffer.alloc(0);
  return (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= SIZE_BYTES) {
      const end = SIZE_BYTES + waiting.readInt32BE(0);
      if (waiting.length < end) return;
      onFrame(waiting.subarray(0, end));
      waiting = waiting.subarray(end);
    }
  };
}
