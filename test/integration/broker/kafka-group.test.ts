// @module-tag kafka
// @module-tag slow

import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { KafkaBroker } from '../../../src/adapters/broker/kafka/broker.ts';
import type {
  AssignedPartition,
  GroupConsumer,
  PartitionOwner,
} from '../../../src/service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { eventually } from '../../support/eventually.ts';
import { groupMembers } from '../../support/kafka-java/group-members.ts';
import { hasJavaClient } from '../../support/kafka-java/libraries.ts';
import { plainKafka } from '../../support/topic-reader.ts';

const PARTITIONS = 4;
/** Enough different keys to give each partition some records. */
const KEYS = 40;
const PATIENCE_MS = 30_000;
const TEST_MS = 180_000;
/** Leaves Java time to compile and start the program that asks Kafka. */
const JAVA_MS = 60_000;

type Happening = 'assigned' | 'closing' | 'closed';

/** What happens to the partitions of all members, in order, such as `first closed 2`. */
type Timeline = string[];

class Owner implements PartitionOwner {
  readonly assigned: AssignedPartition;
  readonly received: ReceivedRecord[] = [];
  readonly #member: Member;
  isClosed = false;

  constructor(assigned: AssignedPartition, member: Member) {
    this.assigned = assigned;
    this.#member = member;
    member.note('assigned', assigned.partition);
    assigned.resumeFrom(0);
  }

  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    this.received.push(...records);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.#member.note('closing', this.assigned.partition);
    await this.#member.mayClose;
    this.#member.note('closed', this.assigned.partition);
  }
}

class Member {
  readonly owners: Owner[] = [];
  readonly #name: string;
  readonly #timeline: Timeline;
  /** The owners of this member are closed only after this promise has resolved. */
  mayClose: Promise<void> = Promise.resolve();

  constructor(name: string, timeline: Timeline) {
    this.#name = name;
    this.#timeline = timeline;
  }

  readonly openOwner = (partition: AssignedPartition): Owner => {
    const owner = new Owner(partition, this);
    this.owners.push(owner);
    return owner;
  };

  note(what: Happening, partition: number): void {
    this.#timeline.push(`${this.#name} ${what} ${partition}`);
  }

  /** Lists the owners of this member that are not closing. */
  open(): readonly Owner[] {
    return this.owners.filter(({ isClosed }) => !isClosed);
  }

  partitions(): readonly number[] {
    return this.open()
      .map(({ assigned }) => assigned.partition)
      .sort();
  }
}

const brokers = inject('kafkaBrokers');
const silent = pino({ level: 'silent' });

describe.skipIf(!brokers)('A group of two members on Kafka', () => {
  let broker: KafkaBroker;
  let topic: string;
  let group: string;
  let timeline: Timeline;
  let first: Member;
  let second: Member;
  let published: number;

  const join = (member: Member): Promise<GroupConsumer> =>
    broker.consume({ topic, group, openOwner: member.openOwner });
  /**
   * Publishes to every partition.
   * Resolves when each owner has received all records of its partition once and in order.
   */
  const deliver = async (owners: readonly Owner[]) => {
    const values = Array.from({ length: KEYS }, (_, index) => ({
      key: `${index}`,
      value: `${published + index}`,
      headers: {},
    }));
    published += KEYS;
    const places = await broker.publish(topic, values);
    await eventually(
      () => {
        for (const { assigned, received } of owners) {
          const offsets = places
            .filter(({ partition }) => partition === assigned.partition)
            .map(({ offset }) => offset);
          expect(offsets).not.toEqual([]);
          expect(received.map(({ offset }) => offset)).toEqual(
            Array.from({ length: Math.max(...offsets) + 1 }, (_, offset) => offset),
          );
        }
      },
      { withinMs: PATIENCE_MS },
    );
  };
  const addPartition = async () => {
    const admin = plainKafka(brokers ?? '').admin();
    await admin.connect();
    await admin.createPartitions({ topicPartitions: [{ topic, count: PARTITIONS + 1 }] });
    await admin.disconnect();
  };
  const happened = (member: string, what: Happening) =>
    timeline
      .filter((entry) => entry.startsWith(`${member} ${what} `))
      .map((entry) => Number(entry.split(' ').at(-1)));

  beforeEach(async () => {
    const run = crypto.randomUUID().slice(0, 8);
    topic = `topic-${run}`;
    group = `group-${run}`;
    timeline = [];
    published = 0;
    first = new Member('first', timeline);
    second = new Member('second', timeline);
    broker = new KafkaBroker({
      brokers: (brokers ?? '').split(','),
      clientId: 'test',
      log: silent,
    });
    await broker.ensureTopics(
      [{ name: topic, partitions: PARTITIONS, maxMessageBytes: 1_100_000 }],
      true,
    );
  });

  afterEach(async () => {
    await broker.close();
  });

  it(
    'delivers to the partitions that stay while the other partitions close',
    async () => {
      await join(first);
      await eventually(() => expect(first.partitions()).toEqual([0, 1, 2, 3]), {
        withinMs: PATIENCE_MS,
      });
      await deliver(first.open());
      const { promise, resolve: letClose } = Promise.withResolvers<void>();
      first.mayClose = promise;
      try {
        const joining = join(second);
        await eventually(() => expect(happened('first', 'closing')).toHaveLength(PARTITIONS / 2), {
          withinMs: PATIENCE_MS,
        });
        const staying = first.open();
        expect(staying).toHaveLength(PARTITIONS / 2);
        // The rebalance cannot end before the other partitions are closed.
        await deliver(staying);
        expect(happened('second', 'assigned')).toEqual([]);
        letClose();
        await joining;
        await eventually(() => expect(second.open()).toHaveLength(PARTITIONS / 2), {
          withinMs: PATIENCE_MS,
        });
        await deliver([...staying, ...second.open()]);
        expect(happened('first', 'closing')).toHaveLength(PARTITIONS / 2);
        expect(happened('first', 'assigned')).toHaveLength(PARTITIONS);
      } finally {
        letClose();
      }
    },
    TEST_MS,
  );

  it(
    'closes a moving partition at one member before the other member gets it',
    async () => {
      await join(first);
      await join(second);
      await eventually(() => expect([first.open().length, second.open().length]).toEqual([2, 2]), {
        withinMs: PATIENCE_MS,
      });
      const moved = second.partitions();
      for (const partition of moved) {
        expect(timeline.indexOf(`first closed ${partition}`)).toBeGreaterThanOrEqual(0);
        expect(timeline.indexOf(`second assigned ${partition}`)).toBeGreaterThan(
          timeline.indexOf(`first closed ${partition}`),
        );
      }
      expect(happened('first', 'closing').sort()).toEqual(moved);
      expect([...first.partitions(), ...moved].sort()).toEqual([0, 1, 2, 3]);
      await deliver([...first.open(), ...second.open()]);
    },
    TEST_MS,
  );

  it(
    'moves the partitions of a member that leaves without closing any other',
    async () => {
      await join(first);
      const member = await join(second);
      await eventually(() => expect([first.open().length, second.open().length]).toEqual([2, 2]), {
        withinMs: PATIENCE_MS,
      });
      await member.close();
      await eventually(() => expect(first.partitions()).toEqual([0, 1, 2, 3]), {
        withinMs: PATIENCE_MS,
      });
      expect(happened('first', 'closing')).toHaveLength(PARTITIONS / 2);
      expect(happened('first', 'assigned')).toHaveLength(PARTITIONS + PARTITIONS / 2);
      await deliver(first.open());
    },
    TEST_MS,
  );

  it(
    'assigns a partition that one member gives back to the other member',
    async () => {
      await join(first);
      await eventually(() => expect(first.partitions()).toEqual([0, 1, 2, 3]), {
        withinMs: PATIENCE_MS,
      });
      const [owner] = first.open();
      owner?.assigned.giveBack();
      await join(second);
      await eventually(() => expect(second.partitions()).toContain(owner?.assigned.partition), {
        withinMs: PATIENCE_MS,
      });
      await eventually(() => expect([first.open().length, second.open().length]).toEqual([2, 2]), {
        withinMs: PATIENCE_MS,
      });
      await deliver([...first.open(), ...second.open()]);
    },
    TEST_MS,
  );

  it(
    'shows the partitions of each member to Kafka’s own client',
    async ({ skip }) => {
      if (!(await hasJavaClient())) return skip();
      await Promise.all([join(first), join(second)]);
      await eventually(() => expect([first.open().length, second.open().length]).toEqual([2, 2]), {
        withinMs: PATIENCE_MS,
      });
      const shown = [first, second].map((member) => `test ${member.partitions()}`);
      await eventually(
        async () =>
          expect((await groupMembers(brokers ?? '', group)).toSorted()).toEqual(shown.toSorted()),
        {
          withinMs: JAVA_MS,
        },
      );
    },
    TEST_MS,
  );

  describe('with a static member', () => {
    const opened: KafkaBroker[] = [];
    /** Starts the process of the static member, or the process that replaces it. */
    const process = () => {
      const started = new KafkaBroker({
        brokers: (brokers ?? '').split(','),
        clientId: 'test',
        instanceId: 'static',
        log: silent,
      });
      opened.push(started);
      return started;
    };

    afterEach(async () => {
      await Promise.all(opened.splice(0).map((each) => each.close()));
    });

    it(
      'assigns a partition that is added after the static member has restarted',
      async () => {
        const before = process();
        await before.consume({ topic, group, openOwner: first.openOwner });
        await before.close();
        await process().consume({ topic, group, openOwner: second.openOwner });
        await eventually(() => expect(second.partitions()).toEqual([0, 1, 2, 3]), {
          withinMs: PATIENCE_MS,
        });
        await addPartition();
        await eventually(() => expect(second.partitions()).toEqual([0, 1, 2, 3, 4]), {
          withinMs: PATIENCE_MS,
        });
      },
      TEST_MS,
    );

    it(
      'assigns the partitions that the static member was closing when it restarted',
      async () => {
        await process().consume({ topic, group, openOwner: first.openOwner });
        await eventually(() => expect(first.partitions()).toEqual([0, 1, 2, 3]), {
          withinMs: PATIENCE_MS,
        });
        const { promise, resolve: letClose } = Promise.withResolvers<void>();
        first.mayClose = promise;
        try {
          const joining = join(second);
          await eventually(
            () => expect(happened('first', 'closing')).toHaveLength(PARTITIONS / 2),
            { withinMs: PATIENCE_MS },
          );
          const restarted = new Member('restarted', timeline);
          await process().consume({ topic, group, openOwner: restarted.openOwner });
          await joining;
          await eventually(
            () => expect([restarted.open().length, second.open().length]).toEqual([2, 2]),
            { withinMs: PATIENCE_MS },
          );
        } finally {
          letClose();
        }
      },
      TEST_MS,
    );
  });
});
