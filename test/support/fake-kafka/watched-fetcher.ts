import { PartitionFetcher } from '../../../src/adapters/broker/kafka/consumer/partition-fetcher.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../eventually.ts';
import { Edge } from './edge.ts';

/** The fetcher of `commands/0`, which node 1 leads, and what it handed over. */
export class WatchedFetcher implements AsyncDisposable {
  readonly edge: Edge;
  readonly fetcher: PartitionFetcher;
  readonly handed: ReceivedRecord[] = [];
  outOfRange = 0;
  beginning = -1;

  private constructor(edge: Edge) {
    this.edge = edge;
    this.fetcher = new PartitionFetcher(0, {
      options: edge.options,
      view: edge.view,
      topic: 'commands',
      openOwner: () => ({
        handle: async (records) => void this.handed.push(...records),
        close: async () => {},
      }),
      membership: () => null,
      maxDeliveryBytes: () => 2_000,
      maxRecordBytes: Number.POSITIVE_INFINITY,
      onGivenBack: () => {},
      onResumed: () => {},
      onOutOfRange: (beginning) => {
        this.beginning = beginning;
        this.outOfRange += 1;
      },
    });
  }

  /** @param batches the values of each record batch in the log */
  static async start(...batches: readonly (readonly string[])[]): Promise<WatchedFetcher> {
    const edge = await Edge.start();
    for (const values of batches) await edge.kafka.append('commands', 0, values);
    return new WatchedFetcher(edge);
  }

  get log() {
    const log = this.edge.kafka.model.partition('commands', 0);
    if (!log) throw new Error('There is no commands/0');
    return log;
  }

  get values() {
    return this.handed.map(({ offset, value }) => `${offset}:${value}`);
  }

  async hands(expected: readonly string[]): Promise<void> {
    await eventually(() => {
      if (this.values.length < expected.length)
        throw new Error(`The fetcher has handed over only ${this.values.join()}`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.fetcher.close();
    await this.edge[Symbol.asyncDispose]();
  }
}
