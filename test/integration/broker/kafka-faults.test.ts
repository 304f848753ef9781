// @module-tag kafka
// @module-tag slow

import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { eventually } from '../../support/eventually.ts';
import { startKafka, type TestKafka } from '../../support/kafka.ts';

let kafka: TestKafka | null;
let broker: KafkaBroker;
const topic = 'faults';

beforeAll(async () => {
  kafka = await startKafka({ withFaults: true }).catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests that kill Kafka are skipped: ${reason.message}\n`);
    return null;
  });
  broker = new KafkaBroker({
    brokers: [kafka?.brokers ?? ''],
    clientId: 'test',
    log: pino({ level: 'silent' }),
  });
});

afterAll(async () => {
  await kafka?.stop();
});

it('a read loses and repeats no record when Kafka is killed and comes back', async ({ skip }) => {
  skip(!kafka);
  await broker.ensureTopics([{ name: 'read', partitions: 2, maxMessageBytes: 1_048_588 }], true);
  const expected = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      // Each value fills more than half a fetch.
      const [place] = await broker.publish('read', [
        { key: `key-${index % 3}`, value: `${index}`.padEnd(800_000), headers: {} },
      ]);
      return { ...place, value: `${index}` };
    }),
  );
  const contents: object[] = [];
  let chunks = 0;
  await broker.read('read', await broker.offsetRanges('read'), async ({ records }) => {
    chunks += 1;
    contents.push(
      ...records.map(({ partition, offset, value }) => ({
        partition,
        offset,
        value: String(value).trim(),
      })),
    );
    if (chunks !== 2 && chunks !== 6) return;
    await kafka?.faults?.kill();
    await kafka?.faults?.restart();
  });
  expect(contents).toEqual(
    expected.toSorted(
      (a, b) => (a.partition ?? 0) - (b.partition ?? 0) || (a.offset ?? 0) - (b.offset ?? 0),
    ),
  );
  expect(chunks).toBeGreaterThanOrEqual(12);
}, 60_000);

it('requests fail soon while Kafka is dead, and succeed after Kafka is back', async ({ skip }) => {
  skip(!kafka);
  await broker.ensureTopics([{ name: topic, partitions: 4, maxMessageBytes: 1_048_588 }], true);
  const received: string[] = [];
  const seen = new Map<number, number>();
  const subscription = await broker.consume({
    topic,
    group: 'faults',
    openOwner: (assigned) => {
      assigned.resumeFrom(seen.get(assigned.partition) ?? 0);
      return {
        handle: async (records) => {
          for (const { partition, offset, value } of records) {
            if (offset < (seen.get(partition) ?? 0)) continue;
            seen.set(partition, offset + 1);
            received.push(String(value));
          }
        },
        close: async () => {},
      };
    },
  });
  const producer = await broker.openProducer('faults-0');
  await broker.publish(topic, [record('before')]);
  await eventually(() => expect(received).toEqual(['before']));

  await kafka?.faults?.kill();
  const failures = [
    broker.publish(topic, [record('never')]),
    broker.logId(topic),
    producer.publish([{ ...record('never'), topic }], null),
    broker.openProducer('faults-1'),
    broker.read(topic, [{ partition: 0, beginning: 0, end: 1 }], async () => expect.fail('taken')),
  ];
  await Promise.all(failures.map((failure) => expect(failure).rejects.toThrow(TroubleError)));

  await kafka?.faults?.restart();
  await eventually(() => broker.publish(topic, [record('after')]), { withinMs: 20_000 });
  const successor = await eventually(() => broker.openProducer('faults-0'), { withinMs: 20_000 });
  await successor.publish([{ ...record('successor'), topic }], null);
  await eventually(() => expect(received).toEqual(expect.arrayContaining(['after', 'successor'])), {
    withinMs: 20_000,
  });
  expect(received).not.toContain('never');

  await kafka?.faults?.kill();
  const before = Date.now();
  await subscription.close();
  await broker.close();
  expect(Date.now() - before).toBeLessThan(15_000);
}, 120_000);

function record(value: string) {
  return { key: value, value, headers: {} };
}
