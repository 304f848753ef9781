// @module-tag kafka

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { KafkaAdmin } from '../../../src/adapters/broker/kafka/admin.ts';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import { ClusterView } from '../../../src/adapters/broker/kafka/cluster-view.ts';
import type { AssignedPartition } from '../../../src/service-layer/consumer-group.ts';
import { FencedError, MissingTopicError, TroubleError } from '../../../src/service-layer/errors.ts';
import type {
  LogRecord,
  OutgoingRecord,
  ReceivedRecord,
} from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';
import { plainKafka } from '../../support/topic-reader.ts';

const brokers = inject('kafkaBrokers');
const holder = fileURLToPath(new URL('../../support/kafka-open-transaction.ts', import.meta.url));
const PARTITIONS = 4;

describe.skipIf(!brokers)('With Kafka alone', () => {
  let broker: KafkaBroker;
  let topic: string;
  let group: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    const run = crypto.randomUUID().slice(0, 8);
    topic = `topic-${run}`;
    group = `group-${run}`;
    broker = open();
    await broker.ensureTopics(
      [{ name: topic, partitions: PARTITIONS, maxMessageBytes: 1_100_000 }],
      true,
    );
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await broker.close();
  });

  it('the end of a leader epoch is known, and null for an unknown epoch', async () => {
    const places = await broker.publish(topic, [{ key: 'k', value: 'v', headers: {} }]);
    const partition = places[0]?.partition ?? 0;
    expect(await broker.endOfEpoch(topic, partition, 0)).toEqual({ leaderEpoch: 0, offset: 1 });
    expect(await broker.endOfEpoch(topic, partition, 99)).toBeNull();
  });

  it('a compacted topic is told apart from other topics', async () => {
    const compacted = `${topic}-compacted`;
    const admin = plainKafka(brokers ?? '').admin();
    await admin.connect();
    await admin.createTopics({
      topics: [{ topic: compacted, configEntries: [{ name: 'cleanup.policy', value: 'compact' }] }],
    });
    await admin.disconnect();
    expect([await broker.isCompacted(topic), await broker.isCompacted(compacted)]).toEqual([
      false,
      true,
    ]);
  });

  it('a fenced producer throws a FencedError, and its records stay invisible', async () => {
    await using seen = await read(topic);
    const former = await broker.openProducer(`${group}-0`);
    await former.publish([outgoing('k', 'former')], position(1));
    const successor = await broker.openProducer(`${group}-0`);
    await expect(former.publish([outgoing('k', 'zombie')], position(9))).rejects.toThrow(
      FencedError,
    );
    await successor.publish([outgoing('k', 'successor')], position(2));
    await eventually(() => expect(seen.values()).toEqual(['former', 'successor']));
    expect((await broker.committedOffsets(group, topic))[0]).toBe(2);
    await successor.close();
  });

  it('a successor aborts the open transaction of a killed process', async () => {
    await using seen = await read(topic);
    const first = await broker.openProducer(`${group}-0`);
    await first.publish([], position(5));
    await first.close();
    const ids = [0, 1, 2].map((lane) => `${group}-${lane}`);
    for (const id of ids) children.push(await holdTransaction(id));
    for (const child of children.reverse()) child.kill('SIGKILL');
    for (const id of ids) {
      const successor = await broker.openProducer(id);
      if (id === ids[0]) expect((await broker.committedOffsets(group, topic))[0]).toBe(5);
      await successor.publish(records(8, 'committed'), null);
      await successor.close();
    }
    await using late = await read(topic, 'beginning');
    await eventually(() => expect(late.values()).toHaveLength(24));
    await eventually(() => expect(seen.values()).toHaveLength(24));
    expect(new Set([...seen.values(), ...late.values()])).toEqual(new Set(['committed']));
  }, 60_000);

  it('offsets cover all partitions while a busy process asks about other topics', async () => {
    const others = Array.from({ length: 8 }, (_, index) => `${topic}-other-${index}`);
    await broker.ensureTopics(
      [topic, ...others].map((name) => ({ name, partitions: 1, maxMessageBytes: 1_100_000 })),
      true,
    );
    const producer = await broker.openProducer(`${group}-0`);
    await producer.publish([], position(5));
    await producer.close();
    const options = { brokers: [brokers ?? ''], clientId: 'test', log: pino({ level: 'silent' }) };
    const view = new ClusterView(options);
    const admin = new KafkaAdmin(options, view);
    using _busy = busyProcess();
    const asking = others.map(async (other) => {
      for (let round = 0; round < 40; round += 1) {
        await soon();
        expect(await admin.partitions(other)).toHaveLength(1);
        await soon();
        expect(await admin.committedOffsets(group, topic)).toEqual([5, null, null, null]);
        await soon();
        expect(await admin.offsetRanges(topic)).toHaveLength(PARTITIONS);
      }
    });
    await Promise.all(asking);
    admin.close();
    view.close();
  }, 60_000);

  it('the committed offset is settled once a producer of the same id is open', async () => {
    for (let offset = 1; offset <= 10; offset += 1) {
      const producer = await broker.openProducer(`${group}-0`);
      expect((await broker.committedOffsets(group, topic))[0]).toBe(
        offset === 1 ? null : offset - 1,
      );
      await producer.publish([outgoing('k', String(offset))], position(offset));
      void producer.close();
    }
  }, 60_000);

  it('a transaction can be much larger than one record batch', async () => {
    await using seen = await read(topic);
    const producer = await broker.openProducer(`${group}-0`);
    const large = Array.from({ length: 12 }, (_, index) =>
      outgoing('same', `${index}-${'x'.repeat(500_000)}`),
    );
    await producer.publish(
      [...large, outgoing('same', `12-${'x'.repeat(1_050_000)}`)],
      position(1),
    );
    await eventually(() =>
      expect(seen.values().map((value) => Number(value.split('-')[0]))).toEqual(
        Array.from({ length: 13 }, (_, i) => i),
      ),
    );
    await producer.close();
  });

  it('a key goes to the partition that the Java client chooses', async () => {
    // Java chooses toPositive(org.apache.kafka.common.utils.Utils.murmur2(key)) % 4.
    // Kafka's own tests name these hashes.
    const hashes = {
      21: -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      abc: 479470107,
    };
    const keys = Object.keys(hashes);
    const places = await broker.publish(
      topic,
      keys.map((key) => record(key, 'value')),
    );
    expect(places.map(({ partition }) => partition)).toEqual(
      Object.values(hashes).map((hash) => (hash & 0x7fffffff) % PARTITIONS),
    );
  });

  it('partitions move to a member that joins, and back when the member leaves', async () => {
    const first = new Member();
    const other = open();
    const second = new Member();
    await broker.consume({ topic, group, openOwner: first.openOwner });
    expect(first.partitions()).toEqual([0, 1, 2, 3]);
    await other.consume({ topic, group, openOwner: second.openOwner });
    await eventually(() => {
      expect(first.partitions()).toHaveLength(2);
      expect([...first.partitions(), ...second.partitions()].sort()).toEqual([0, 1, 2, 3]);
    });
    await broker.publish(topic, records(20, 'shared'));
    await eventually(() => expect(first.received.length + second.received.length).toBe(20));
    await other.close();
    expect(second.partitions()).toEqual([]);
    await eventually(() => expect(first.partitions()).toEqual([0, 1, 2, 3]));
    await broker.publish(topic, records(20, 'alone'));
    await eventually(() =>
      expect(first.received.filter(({ value }) => String(value) === 'alone')).toHaveLength(20),
    );
  }, 60_000);

  it('a paused partition loses no record, and holds back no other partition', async () => {
    const member = new Member();
    await broker.consume({ topic, group, openOwner: member.openOwner });
    member.control(0).pause();
    const places = await broker.publish(topic, records(40, 'value'));
    const paused = places.filter(({ partition }) => partition === 0).length;
    await eventually(() => expect(member.received).toHaveLength(40 - paused));
    member.control(0).resumeFrom(0);
    await eventually(() => expect(member.received).toHaveLength(40));
  });

  it('a topic that is deleted and created again has another log id', async () => {
    const before = await broker.logId(topic);
    expect(await broker.logId(topic)).toBe(before);
    const admin = plainKafka(brokers ?? '').admin();
    await admin.connect();
    await admin.deleteTopics({ topics: [topic] });
    // A broker hears of the deletion a little later than the controller.
    await eventually(() => expect(broker.logId(topic)).rejects.toThrow(TroubleError));
    await eventually(() => admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }] }));
    await admin.disconnect();
    expect(await eventually(() => broker.logId(topic))).not.toBe(before);
  });

  it('the error about a missing topic shows the command that creates the topic', async () => {
    const missing = broker.ensureTopics(
      [{ name: `${topic}-missing`, partitions: 3, maxMessageBytes: 2_000_000 }],
      false,
    );
    await expect(missing).rejects.toThrow(MissingTopicError);
    await expect(missing).rejects.toThrow(
      `--create --topic ${topic}-missing --partitions 3 --config max.message.bytes=2000000`,
    );
  });

  function open(): KafkaBroker {
    return new KafkaBroker({
      brokers: (brokers ?? '').split(','),
      clientId: 'test',
      log: pino({ level: 'silent' }),
    });
  }

  function position(nextOffset: number) {
    return { topic, partition: 0, group, nextOffset };
  }

  function outgoing(key: string, value: string): OutgoingRecord {
    return { topic, ...record(key, value) };
  }

  function records(count: number, value: string): readonly OutgoingRecord[] {
    return Array.from({ length: count }, (_, index) => outgoing(`key-${index}`, value));
  }

  async function read(from: string, where: 'beginning' | 'end' = 'end') {
    const received: ReceivedRecord[] = [];
    const tail = await broker.tail(from, where, (each) => received.push(each));
    return {
      values: () => received.map(({ value }) => String(value)),
      [Symbol.asyncDispose]: () => tail.close(),
    };
  }

  async function holdTransaction(transactionalId: string): Promise<ChildProcess> {
    const stdio: ['ignore', 'pipe', 'inherit'] = ['ignore', 'pipe', 'inherit'];
    const child = spawn(
      process.execPath,
      ['--no-warnings', holder, brokers ?? '', transactionalId, topic, group],
      { stdio },
    );
    await once(child.stdout, 'data');
    return child;
  }
});

/** Keeps the event loop busy, so that several answers wait in the sockets at once. */
function busyProcess(): Disposable {
  let isOver = false;
  const work = () => {
    for (const endMs = Date.now() + 4; Date.now() < endMs; );
    if (!isOver) setImmediate(() => setTimeout(work, 0));
  };
  work();
  return {
    [Symbol.dispose]: () => {
      isOver = true;
    },
  };
}

const soon = () => sleep(Math.random() * 30);

function record(key: string, value: string): LogRecord {
  return { key, value, headers: {} };
}

/** A member of a group that remembers the records of its partitions. */
class Member {
  readonly received: ReceivedRecord[] = [];
  readonly #controls = new Map<number, AssignedPartition>();
  readonly #next = new Map<number, number>();

  readonly openOwner = (control: AssignedPartition) => {
    const { partition } = control;
    this.#controls.set(partition, control);
    control.resumeFrom(this.#next.get(partition) ?? 0);
    return {
      handle: async (records: readonly ReceivedRecord[]) => {
        for (const each of records) {
          if (each.offset < (this.#next.get(partition) ?? 0)) continue;
          this.#next.set(partition, each.offset + 1);
          this.received.push(each);
        }
      },
      close: async () => {
        if (this.#controls.get(partition) === control) this.#controls.delete(partition);
      },
    };
  };

  partitions(): readonly number[] {
    return [...this.#controls.keys()].sort();
  }

  control(partition: number): AssignedPartition {
    const control = this.#controls.get(partition);
    if (!control) throw new Error(`This member does not own partition ${partition}`);
    return control;
  }
}
