import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { committedOffsetsOf, LaneOffsets } from '../../../src/entrypoints/lane-offsets.ts';
import { ByteBudget } from '../../../src/entrypoints/memory-budget.ts';
import { type Chunk, wholeCommandChunks } from '../../../src/entrypoints/outbox-chunks.ts';
import { OutboxRelay } from '../../../src/entrypoints/outbox-relay.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import type { OutboxRecord } from '../../../src/service-layer/lane-store.ts';
import type { GroupPosition, OutgoingRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';

const lane = { topic: 'commands', partition: 0 };

function record(sequence: number, sourceOffset: number, bytes = 10): OutboxRecord {
  const value = 'x'.repeat(bytes);
  return {
    sequence,
    sourceOffset,
    topic: 'events',
    key: 'key',
    value,
    headers: {},
    encoded: Buffer.from(value),
  };
}

class RecordingProducer {
  readonly transactions: { records: readonly OutgoingRecord[]; nextOffset: number | undefined }[] =
    [];
  failWith: Error | null = null;
  closed = false;

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    if (this.failWith) throw this.failWith;
    this.transactions.push({ records, nextOffset: position?.nextOffset });
  }

  async close(): Promise<void> {
    this.closed = true;
  }

  async settle(): Promise<void> {}
}

const nobody = { committedOffsets: async () => [] } as unknown as Broker;

function relayWith(
  producer: RecordingProducer,
  others = new LaneOffsets(committedOffsetsOf(nobody, 'group')),
  budget = new ByteBudget(1_000_000),
) {
  const published: Chunk[] = [];
  const broken: unknown[] = [];
  const relay = new OutboxRelay({
    producer,
    lane,
    group: 'group',
    published: others,
    budget,
    onPublished: (chunk) => published.push(chunk),
    onBroken: (error) => broken.push(error),
  });
  return { relay, published, broken };
}

describe('cutting an outbox into transactions', () => {
  it('never cuts inside a command, keeps the order, and ends at the given position', () => {
    const outbox = fc.array(
      fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 0, max: 800_000 })),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(outbox, (commands) => {
        let sequence = 0;
        const records = commands.flatMap(([count, bytes], offset) =>
          Array.from({ length: count }, () => record(++sequence, offset, bytes)),
        );
        const chunks = wholeCommandChunks(records, commands.length + 5);

        expect(chunks.flatMap((chunk) => chunk.records)).toEqual(records);
        expect(chunks.at(-1)?.nextOffset).toBe(commands.length + 5);
        for (const [index, chunk] of chunks.entries()) {
          const next = chunks[index + 1];
          expect(chunk.records.every(({ sourceOffset }) => sourceOffset < chunk.nextOffset)).toBe(
            true,
          );
          if (next)
            expect(next.records.every(({ sourceOffset }) => sourceOffset >= chunk.nextOffset)).toBe(
              true,
            );
        }
      }),
    );
  });
});

describe('a chunk', () => {
  it('counts the bytes of headers', () => {
    const large = { ...record(1, 0), encoded: Buffer.alloc(5_000) };
    expect(wholeCommandChunks([large], 1)).toMatchObject([{ bytes: 5_000 }]);
  });
});

describe('the relay', () => {
  it('moves the group past commands without answers', async () => {
    const producer = new RecordingProducer();
    const { relay } = relayWith(producer);
    relay.enqueue([], 7, []);
    await relay.drain(1_000);
    expect(producer.transactions).toEqual([{ records: [], nextOffset: 7 }]);
  });

  it('hands the records to the producer with their bytes', async () => {
    const producer = new RecordingProducer();
    const { relay } = relayWith(producer);
    const committed = [record(1, 0), record(2, 0)];
    relay.enqueue(committed, 1, []);
    await relay.drain(1_000);
    expect(producer.transactions).toEqual([{ records: committed, nextOffset: 1 }]);
  });

  it('joins what queues up during a publish into one transaction', async () => {
    const producer = new RecordingProducer();
    const { relay, published } = relayWith(producer);
    for (const offset of [0, 1, 2, 3]) relay.enqueue([record(offset + 1, offset)], offset + 1, []);
    await relay.drain(1_000);
    expect(producer.transactions.map(({ nextOffset }) => nextOffset)).toEqual([1, 4]);
    expect(published.map(({ nextOffset }) => nextOffset)).toEqual([1, 4]);
  });

  it('tells how many records wait and since when, also after an error', async () => {
    const producer = new RecordingProducer();
    const { relay } = relayWith(producer);
    const beganMs = Date.now();
    relay.enqueue([record(1, 0), record(2, 1)], 2, []);
    const waiting = [relay.queuedRecords, relay.oldestMs];
    expect(waiting).toEqual([2, expect.closeTo(beganMs, -4)]);
    await relay.drain(1_000);
    expect([relay.queuedRecords, relay.oldestMs]).toEqual([0, null]);
    producer.failWith = new TroubleError('Kafka is gone');
    relay.enqueue([record(3, 2)], 3, []);
    await relay.drain(1_000);
    relay.enqueue([record(4, 3)], 4, []);
    await relay.close();
    expect([relay.queuedRecords, relay.oldestMs]).toEqual([2, expect.closeTo(beganMs, -4)]);
  });

  it('stops at the first error, reports it once, and publishes nothing more', async () => {
    const producer = new RecordingProducer();
    const others = new LaneOffsets(committedOffsetsOf(nobody, 'group'));
    const { relay, broken, published } = relayWith(producer, others);
    producer.failWith = new TroubleError('the answer was lost');
    relay.enqueue([record(1, 0)], 1, []);
    await relay.drain(1_000);
    producer.failWith = null;
    relay.enqueue([record(2, 1)], 2, []);
    await relay.drain(1_000);
    expect(broken).toHaveLength(1);
    expect([producer.transactions, published]).toEqual([[], []]);
    // No lane may take the answer as published.
    expect(others.covers([{ ...lane, nextOffset: 1 }])).toBe(false);
  });

  it('holds an answer, and all behind it, until what it rests on is published', async () => {
    const producer = new RecordingProducer();
    const others = new LaneOffsets(committedOffsetsOf(nobody, 'group'));
    const { relay } = relayWith(producer, others);
    const other = { topic: 'commands', partition: 1 };
    relay.enqueue([record(1, 0)], 1, []);
    relay.enqueue([record(2, 1)], 2, [{ ...other, nextOffset: 5 }]);
    relay.enqueue([record(3, 2)], 3, []);
    const nextOffsets = () => producer.transactions.map(({ nextOffset }) => nextOffset);
    await eventually(() => expect(nextOffsets()).toEqual([1]));
    others.note({ ...other, nextOffset: 4 });
    await relay.drain(50);
    expect(nextOffsets()).toEqual([1]);
    others.note({ ...other, nextOffset: 5 });
    await eventually(() => expect(nextOffsets()).toEqual([1, 3]));
  });

  it('tells which answers it publishes, and which partitions they wait for', async () => {
    const others = new LaneOffsets(committedOffsetsOf(nobody, 'group'));
    const { relay } = relayWith(new RecordingProducer(), others);
    const other = { topic: 'commands', partition: 1, nextOffset: 5 };
    expect(relay.publishing).toBeNull();
    relay.enqueue([record(1, 0)], 1, [other, { ...other, partition: 2, nextOffset: 0 }]);
    expect(relay.publishing).toEqual({ nextOffset: 1, awaitedPartitions: [1] });
    others.note(other);
    await eventually(() => expect(relay.publishing).toBeNull());
  });

  it('does not join an answer that must wait to answers that may go out at once', async () => {
    const producer = new RecordingProducer();
    const others = new LaneOffsets(committedOffsetsOf(nobody, 'group'));
    const { relay } = relayWith(producer, others);
    const other = { topic: 'commands', partition: 1, nextOffset: 5 };
    // The first is taken at once, and the others queue up behind it.
    for (const offset of [0, 1, 2, 3])
      relay.enqueue([record(offset + 1, offset)], offset + 1, offset === 3 ? [other] : []);
    const nextOffsets = () => producer.transactions.map(({ nextOffset }) => nextOffset);
    await relay.drain(50);
    expect(nextOffsets()).toEqual([1, 3]);
    others.note(other);
    await eventually(() => expect(nextOffsets()).toEqual([1, 3, 4]));
  });

  it('leaves an answer that rests on an unpublished one when its lane closes', async () => {
    const producer = new RecordingProducer();
    const { relay, broken } = relayWith(producer);
    relay.enqueue([record(1, 0)], 1, [{ topic: 'commands', partition: 1, nextOffset: 5 }]);
    relay.stopWaiting();
    await relay.drain(60_000);
    expect([producer.transactions, broken]).toEqual([[], []]);
  });

  it('has room again when its lane closes, whatever it waits for', async () => {
    const { relay } = relayWith(new RecordingProducer());
    const records = Array.from({ length: 4_001 }, (_, index) => record(index + 1, index));
    relay.enqueue(records, 4_001, [{ topic: 'commands', partition: 1, nextOffset: 5 }]);
    const room = relay.waitForRoom();
    relay.stopWaiting();
    await room;
  });

  it('has no room while all relays hold too many bytes, unless it is empty itself', async () => {
    const others = new LaneOffsets(committedOffsetsOf(nobody, 'group'));
    const budget = new ByteBudget(1_000_000);
    const other = { topic: 'commands', partition: 1 };
    const { relay } = relayWith(new RecordingProducer(), others, budget);
    const { relay: idle } = relayWith(new RecordingProducer(), others, budget);
    relay.enqueue([record(1, 0, 600_000)], 1, [{ ...other, nextOffset: 5 }]);
    let hasRoom = false;
    const room = relay.waitForRoom().then(() => {
      hasRoom = true;
    });
    await idle.waitForRoom();
    await relay.drain(50);
    expect(hasRoom).toBe(false);
    others.note({ ...other, nextOffset: 5 });
    await room;
    expect(budget.isExceeded).toBe(false);
  });

  it('gives its bytes back when it is closed', async () => {
    const budget = new ByteBudget(1_000_000);
    const { relay } = relayWith(new RecordingProducer(), undefined, budget);
    relay.enqueue([record(1, 0, 600_000)], 1, [{ topic: 'commands', partition: 1, nextOffset: 5 }]);
    expect(budget.isExceeded).toBe(true);
    await relay.close();
    expect(budget.isExceeded).toBe(false);
  });

  it('closes its producer and drops queued answers when it is closed', async () => {
    const producer = new RecordingProducer();
    const { relay } = relayWith(producer);
    await relay.close();
    relay.enqueue([record(1, 0)], 1, []);
    await relay.drain(1_000);
    expect(producer).toMatchObject({ closed: true, transactions: [] });
  });
});
