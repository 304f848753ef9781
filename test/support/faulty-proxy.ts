import { type Connection, type Passage, TcpProxy } from './tcp-proxy.ts';

/** The requests whose answers can be lost, by their numbers in the protocol of Kafka. */
export const API_KEYS = { Produce: 0, InitProducerId: 22, EndTxn: 26 } as const;

export type LosableAnswer = keyof typeof API_KEYS;

/** Metadata and FindCoordinator. Their answers say where the broker is. */
const WHEREABOUTS: readonly unknown[] = [3, 10];
const HOST = '127.0.0.1';
const SIZE_BYTES = 4;

/**
 * A TCP proxy between a client and a Kafka broker that knows where each request ends. It tells its
 * clients that the broker is where the proxy is; otherwise they would bypass the proxy.
 *
 * The proxy can also lose an answer. The broker then carries out the request, and the connection
 * breaks in place of the answer.
 */
export class FaultyProxy extends TcpProxy {
  readonly #brokerAddress: Buffer;
  #losing: { readonly apiKey: number; readonly lost: () => void } | null = null;

  protected constructor(targetPort: number) {
    super(targetPort);
    this.#brokerAddress = Buffer.from(`${HOST}....`);
    this.#brokerAddress.writeInt32BE(targetPort, HOST.length);
  }

  static override async open(targetPort: number): Promise<FaultyProxy> {
    return await new FaultyProxy(targetPort).listen();
  }

  /**
   * Loses the next answer of this kind, and breaks its connection. Resolves when that has happened.
   */
  loseAnswer(kind: LosableAnswer): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#losing = { apiKey: API_KEYS[kind], lost: resolve };
    return promise;
  }

  protected override passages({ client, server }: Connection): {
    readonly requests: Passage;
    readonly answers: Passage;
  } {
    /** The kind of each request that waits for its answer, by correlation id. */
    const apiKeyOf = new Map<number, number>();
    const isLost = (apiKey: number | undefined): boolean => {
      if (!this.#losing || apiKey !== this.#losing.apiKey) return false;
      this.#losing.lost();
      this.#losing = null;
      client.resetAndDestroy();
      server.destroy();
      return true;
    };
    const move = (frame: Buffer) => {
      for (
        let at = frame.indexOf(this.#brokerAddress);
        at >= 0;
        at = frame.indexOf(this.#brokerAddress)
      )
        frame.writeInt32BE(this.port, at + HOST.length);
    };
    const requests = frames();
    const answers = frames();
    return {
      *requests(chunk) {
        for (const frame of requests(chunk)) {
          apiKeyOf.set(frame.readInt32BE(SIZE_BYTES + 4), frame.readInt16BE(SIZE_BYTES));
          yield frame;
        }
      },
      *answers(chunk) {
        for (const frame of answers(chunk)) {
          const correlationId = frame.readInt32BE(SIZE_BYTES);
          const apiKey = apiKeyOf.get(correlationId);
          apiKeyOf.delete(correlationId);
          if (isLost(apiKey)) return;
          if (WHEREABOUTS.includes(apiKey)) move(frame);
          yield frame;
        }
      },
    };
  }
}

/** Cuts arriving bytes into whole frames, including their size field. */
function frames(): Passage {
  let waiting: Buffer = Buffer.alloc(0);
  return function* (chunk) {
    waiting = Buffer.concat([waiting, chunk]);
    while (waiting.length >= SIZE_BYTES) {
      const end = SIZE_BYTES + waiting.readInt32BE(0);
      if (waiting.length < end) return;
      yield waiting.subarray(0, end);
      waiting = waiting.subarray(end);
    }
  };
}
