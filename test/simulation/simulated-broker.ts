import type {
  Broker,
  EpochEnd,
  OffsetRange,
  ReadChunk,
  TransactionalProducer,
} from '../../src/service-layer/broker.ts';
import type { ConsumeOptions, GroupConsumer } from '../../src/service-layer/consumer-group.ts';
import type { AddressedRecord } from '../../src/service-layer/records.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { SimulatedProducer } from './simulated-producer.ts';
import type { Machine, World } from './world.ts';

const MAX_MESSAGE_BYTES = 1_000_000;
const RETRY_MS = 3;

/** One machine's client of the log. */
export class SimulatedBroker implements Broker {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #machine: Machine;

  constructor(world: World, log: SimulatedLog, machine: Machine) {
    this.#world = world;
    this.#log = log;
    this.#machine = machine;
  }

  async openProducer(transactionalId: string): Promise<TransactionalProducer> {
    for (;;) {
      const epoch = await this.#ask(`opens ${transactionalId}`, () =>
        this.#log.transactions.initialise(transactionalId),
      );
      if (epoch !== null)
        return new SimulatedProducer(this.#world, this.#log, this.#machine, transactionalId, epoch);
      await this.#wait(RETRY_MS);
    }
  }

  async committedOffsets(): Promise<readonly (number | null)[]> {
    for (;;) {
      const offsets = await this.#ask('reads the group offsets', () => this.#log.offsets.stable());
      if (offsets) return offsets;
      await this.#wait(RETRY_MS);
    }
  }

  /** Reads the group's offsets without asking for stable ones. Only a planted bug does that. */
  unstableOffsets(): Promise<readonly (number | null)[]> {
    return this.#ask('reads the group offsets', () => this.#log.offsets.unstable());
  }

  endOfEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd> {
    return this.#ask('reads where an epoch ends', () =>
      this.#log.endOfEpoch(topic, partition, leaderEpoch),
    );
  }

  async isCompacted(): Promise<boolean> {
    return false;
  }

  offsetRanges(topic: string): Promise<readonly OffsetRange[]> {
    return this.#ask('reads the ends', () =>
      Array.from({ length: this.#log.partitions }, (_, partition) => {
        this.#log.outages.ask(`leader of ${partition}`);
        const { start, stableEnd } = this.#log.partition(topic, partition);
        return { partition, beginning: start, end: stableEnd };
      }),
    );
  }

  async consume(options: ConsumeOptions): Promise<GroupConsumer> {
    return this.#log.group.join(this.#machine, options);
  }

  async maxMessageBytes(topic: string): Promise<number> {
    return this.#log.maxMessageBytes.get(topic) ?? MAX_MESSAGE_BYTES;
  }

  async logId(): Promise<string> {
    return 'simulated';
  }

  async ensureTopics(): Promise<void> {}

  publish(topic: string, records: readonly AddressedRecord[]): ReturnType<Broker['publish']> {
    return this.#ask(`publishes ${records.length} to ${topic}`, () =>
      records.map((record) => {
        const partition = record.partition ?? this.#log.partitionOf(record);
        return { partition, offset: this.#log.partition(topic, partition).append(record) };
      }),
    );
  }

  tail(): never {
    throw new Error('The simulation follows no topic');
  }

  async read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: (chunk: ReadChunk) => Promise<void>,
  ): Promise<void> {
    for (const { partition, beginning, end } of ranges) {
      const records = await this.#ask(`reads ${topic}`, () =>
        this.#log.fetch(topic, partition, beginning),
      );
      await take({
        partition,
        records: records.filter(({ offset }) => offset < end),
        nextOffset: end,
      });
    }
  }

  async close(): Promise<void> {}

  #ask<T>(what: string, effect: () => T): Promise<T> {
    return this.#world.request(this.#machine, what, effect);
  }

  #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#world.after(ms, () => this.#machine.hears(resolve));
    return promise;
  }
}
