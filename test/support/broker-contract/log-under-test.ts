import { expect } from 'vitest';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { GroupConsumer } from '../../../src/service-layer/consumer-group.ts';
import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../eventually.ts';
import type { Member } from './member.ts';

export const PARTITIONS = 3;
export const MAX_MESSAGE_BYTES = 100_000;
/** A group may need this long to notice that a member is gone. */
export const TAKEOVER_MS = 25_000;

/** A fresh topic and a fresh group in a log, and the clients that a test has opened. */
export class LogUnderTest {
  readonly topic = `topic-${crypto.randomUUID()}`;
  readonly group = `group-${crypto.randomUUID()}`;
  readonly broker: Broker;
  readonly #open: () => Promise<Broker>;
  readonly #brokers: Broker[] = [];

  private constructor(broker: Broker, open: () => Promise<Broker>) {
    this.broker = broker;
    this.#brokers.push(broker);
    this.#open = open;
  }

  /** Creates the topic through a new client of the log. */
  static async create(open: () => Promise<Broker>): Promise<LogUnderTest> {
    const log = new LogUnderTest(await open(), open);
    await log.broker.ensureTopics(
      [{ name: log.topic, partitions: PARTITIONS, maxMessageBytes: MAX_MESSAGE_BYTES }],
      true,
    );
    return log;
  }

  async close(): Promise<void> {
    await Promise.all(this.#brokers.map((each) => each.close()));
  }

  /** Opens another client of the same log. */
  async another(): Promise<Broker> {
    const opened = await this.#open();
    this.#brokers.push(opened);
    return opened;
  }

  /** Lets the member join the group. */
  join(member: Member, through = this.broker): Promise<GroupConsumer> {
    return through.consume({ topic: this.topic, group: this.group, openOwner: member.openOwner });
  }

  /** Opens a tail. @returns its records; more records come later */
  async tail(from: 'beginning' | 'end'): Promise<readonly ReceivedRecord[]> {
    const records: ReceivedRecord[] = [];
    await this.broker.tail(this.topic, from, (record) => records.push(record));
    return records;
  }

  /** Asserts that the topic soon has exactly one record. */
  async expectOneRecord(): Promise<ReceivedRecord> {
    const records = await this.tail('beginning');
    await eventually(() => expect(records).toHaveLength(1));
    return records[0] as ReceivedRecord;
  }

  /** Publishes the values with one key. @returns the whole range of their partition */
  async publishToOnePartition(...values: string[]): Promise<OffsetRange> {
    const [place] = await this.broker.publish(
      this.topic,
      values.map((value) => message(value, 'key')),
    );
    return (await this.broker.offsetRanges(this.topic))[place?.partition ?? 0] as OffsetRange;
  }
}

/** Gives a test the log that was made for it. */
export type CurrentLog = () => LogUnderTest;

export function message(value: string, key: string | null = null): LogRecord {
  return { key, value, headers: {} };
}

export function textsOf(records: readonly ReceivedRecord[]): string[] {
  return records.map(({ value }) => String(value));
}
