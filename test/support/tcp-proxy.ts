import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The connection of one client through a proxy. */
export interface Connection {
  readonly client: Socket;
  readonly server: Socket;
}

/** Turns an arriving chunk into the pieces that the proxy passes on. */
export type Passage = (chunk: Buffer) => Iterable<Buffer>;

const everything: Passage = (chunk) => [chunk];

/**
 * A TCP proxy that passes everything on, until it must break connections, or swallow, hold up or
 * slow down their bytes.
 */
export class TcpProxy {
  readonly #server = createServer();
  readonly #connections = new Set<Connection>();
  readonly #silent = new WeakSet<Socket>();
  #isBlackHole = false;
  #stalled: PromiseWithResolvers<void> | null = null;
  #delayMs = 0;
  #targetPort: number;

  protected constructor(targetPort: number) {
    this.#targetPort = targetPort;
    this.#server.on('connection', (client) => this.#accept(client));
  }

  static async open(targetPort: number): Promise<TcpProxy> {
    return await new TcpProxy(targetPort).listen();
  }

  protected async listen(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Leads new connections to this port from now on. */
  retarget(port: number): void {
    this.#targetPort = port;
  }

  /** Breaks every connection with a reset. */
  reset(): void {
    for (const { client, server } of this.#connections) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Swallows everything on the open connections, without notice. New connections work. */
  silence(): void {
    for (const { client, server } of this.#connections) {
      this.#silent.add(client);
      this.#silent.add(server);
    }
  }

  /**
   * Swallows everything on both sides from now on, without notice. The swallowed bytes are gone, so
   * `endBlackHole` breaks the connections.
   */
  beginBlackHole(): void {
    this.#isBlackHole = true;
  }

  endBlackHole(): void {
    this.#isBlackHole = false;
    this.reset();
    this.#connections.clear();
  }

  /**
   * Holds everything back for this time, and then passes it on. That includes what a client sent
   * before it gave up its connection.
   */
  async stall(ms: number): Promise<void> {
    this.#stalled = Promise.withResolvers();
    await sleep(ms);
    this.#stalled.resolve();
    this.#stalled = null;
  }

  /** Delays each piece by this time from now on, one piece after the other. */
  slowDown(delayMs: number): void {
    this.#delayMs = delayMs;
  }

  async close(): Promise<void> {
    this.reset();
    this.#server.close();
    await once(this.#server, 'close');
  }

  /**
   * Returns what passes in each direction of a new connection. Proxies that know the protocol
   * override it.
   */
  protected passages(_connection: Connection): {
    readonly requests: Passage;
    readonly answers: Passage;
  } {
    return { requests: everything, answers: everything };
  }

  #accept(client: Socket): void {
    const server = connect(this.#targetPort, '127.0.0.1');
    const connection = { client, server };
    this.#connections.add(connection);
    const end = async () => {
      // Where nothing passes, the end of a connection does not pass either.
      await this.#stalled?.promise;
      if (this.#isBlackHole || this.#silent.has(client)) return;
      this.#connections.delete(connection);
      client.destroySoon();
      server.destroySoon();
    };
    for (const socket of [client, server]) socket.on('error', () => {}).on('close', end);
    const { requests, answers } = this.passages(connection);
    void this.#pass(client, requests, server);
    void this.#pass(server, answers, client);
  }

  async #pass(from: Socket, passage: Passage, to: Socket): Promise<void> {
    try {
      for await (const chunk of from) {
        for (const piece of passage(chunk)) {
          await this.#stalled?.promise;
          if (this.#delayMs > 0) await sleep(this.#delayMs);
          if (!this.#isBlackHole && !this.#silent.has(to) && !to.destroyed) to.write(piece);
        }
      }
    } catch {
      // The connection broke, and both its ends are closed.
    }
  }
}
