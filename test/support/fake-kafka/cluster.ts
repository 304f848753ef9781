import { eventually } from '../eventually.ts';
import type { ApiName, RequestOf } from './apis.ts';
import { batchOf } from './log.ts';
import { Model } from './model.ts';
import { FakeNode, type FakeSecurity, type Received } from './node.ts';
import { type Fate, Script, type When } from './script.ts';

/**
 * A Kafka cluster without Kafka. Servers on loopback speak the protocol and decode each request
 * whole. They answer from a model in memory, or as a test has planned.
 */
export class FakeKafka {
  readonly model = new Model();
  readonly nodes: readonly FakeNode[];
  /** Every request, in the order in which the nodes received them. */
  readonly received: Received[] = [];
  readonly #script = new Script();

  private constructor(nodes: number, security: FakeSecurity) {
    const note = (received: Received) => void this.received.push(received);
    this.nodes = Array.from(
      { length: nodes },
      (_, index) => new FakeNode(index + 1, this.model, this.#script, note, security),
    );
  }

  static async start({ nodes = 1, security = {} as FakeSecurity } = {}): Promise<FakeKafka> {
    const cluster = new FakeKafka(nodes, security);
    await Promise.all(cluster.nodes.map((node) => node.listen()));
    return cluster;
  }

  get brokers(): readonly string[] {
    return this.nodes.map(({ port }) => `127.0.0.1:${port}`);
  }

  /** Plans what happens to a later request. */
  on<N extends ApiName>(api: N, fate: Fate<N>, when: When = {}): void {
    this.#script.add(api, fate, when);
  }

  /** Forgets all plans. */
  heal(): void {
    this.#script.clear();
  }

  /** Whether every one-time plan has happened. An error that no request meets tests nothing. */
  get isScriptDone(): boolean {
    return this.#script.isDone;
  }

  /** Returns the requests of one kind that have come. */
  requests<N extends ApiName>(api: N, node?: number): readonly RequestOf<N>[] {
    const isMeant = (each: Received) =>
      each.api === api && (node === undefined || each.node === node);
    return this.received.filter(isMeant).map(({ request }) => request as RequestOf<N>);
  }

  /** Waits for this many requests of one kind. */
  async seen(api: ApiName, count = 1): Promise<void> {
    await eventually(() => {
      const { length } = this.requests(api);
      if (length < count) throw new Error(`${length} of ${count} requests ${api} have come`);
    });
  }

  /**
   * Appends records outside of any transaction.
   * @returns the offset of the first record
   */
  async append(topic: string, partition: number, values: readonly string[]): Promise<number> {
    const log = this.model.partition(topic, partition);
    if (!log) throw new Error(`The fake cluster has no ${topic}/${partition}`);
    const offset = log.append(
      await batchOf(values.map((value) => ({ key: null, value, headers: {} }))),
    );
    this.model.noteAppended();
    return offset;
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }
}
