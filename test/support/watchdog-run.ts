import pino from 'pino';
import { expect, vi } from 'vitest';
import type { WatchedLane } from '../../src/entrypoints/lane-watch.ts';
import { Watchdog } from '../../src/entrypoints/watchdog.ts';
import type { Broker, ReadChunk } from '../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../src/service-layer/records.ts';

const TOPIC = 'commands';
const WELL = { problem: null, awaited: null, publishing: null, pause: null };

/** A watchdog on fake timers, with two lanes and a log that a test changes. */
export class WatchdogRun {
  lanes: { -readonly [Key in keyof WatchedLane]: WatchedLane[Key] }[] = [
    { partition: 0, nextOffset: 5, readBelowOffset: 5, ...WELL },
    { partition: 1, nextOffset: 7, readBelowOffset: 7, ...WELL },
  ];
  /** The offsets of the records that a reader finds, by partition. */
  records: number[][] = [[], []];
  ends: number[] = [5, 7];
  committed: (number | null)[] = [5, 7];
  offsetRanges: Broker['offsetRanges'] = async () =>
    this.ends.map((end, partition) => ({ partition, beginning: 0, end }));
  isReaderHanging = false;
  /** How often the watchdog has asked for the offsets of the log. */
  questions = 0;
  /** The partitions that the watchdog has read, in order. */
  readonly reads: number[] = [];
  readonly log: string[] = [];
  readonly watchdog: Watchdog;

  constructor() {
    vi.useFakeTimers();
    const broker: Partial<Broker> = {
      offsetRanges: (of) => {
        this.questions += 1;
        return this.offsetRanges(of);
      },
      committedOffsets: async () => this.committed,
      read: (...question) => this.#read(...question),
    };
    const write = (line: string) => void this.log.push(JSON.parse(line).msg);
    this.watchdog = new Watchdog({
      broker: broker as Broker,
      topic: TOPIC,
      group: 'group',
      lanes: () => this.lanes,
      log: pino({ level: 'info' }, { write }),
    });
    this.watchdog.start();
  }

  async close(): Promise<void> {
    this.watchdog.close();
    await this.pass(0);
    const done = () => [this.questions, this.reads.length, this.log.length];
    const before = done();
    // A timer that an earlier test file left in this process runs out too. An interval would stay.
    await this.pass(600);
    expect([done(), vi.getTimerCount()]).toEqual([before, 0]);
    vi.useRealTimers();
  }

  async pass(seconds: number): Promise<void> {
    await vi.advanceTimersByTimeAsync(seconds * 1_000);
  }

  /** Appends a record to the log. */
  append(partition: number, offset: number): void {
    this.records[partition]?.push(offset);
    this.ends[partition] = offset + 1;
  }

  /** Changes the lane at the index. */
  change(index: number, changes: Partial<WatchedLane>): void {
    Object.assign(this.lanes[index] as object, changes);
  }

  async #read(...[, ranges, take, signal]: Parameters<Broker['read']>): Promise<void> {
    for (const { partition, beginning, end } of ranges) {
      this.reads.push(partition);
      if (this.isReaderHanging)
        await new Promise((_resolve, reject) => signal?.addEventListener('abort', reject));
      const found =
        this.records[partition]?.filter((offset) => offset >= beginning && offset < end) ?? [];
      const asRecords = found.map(
        (offset) => ({ topic: TOPIC, partition, offset, timestampMs: offset }) as ReceivedRecord,
      );
      for (const one of [[], asRecords, []]) {
        await take({ partition, records: one, nextOffset: end } satisfies ReadChunk);
        signal?.throwIfAborted();
      }
    }
  }
}
