import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';
import { PartitionLog } from '../../../support/fake-kafka/log.ts';
import { WatchedConsumer } from '../../../support/fake-kafka/watched-consumer.ts';

/** A member looks at the topic every two seconds, and sends two heartbeats a second. */
const withinMs = 20_000;
const TEST_MS = 60_000;

let edge: Edge;
let consumers: WatchedConsumer[];

beforeEach(async () => {
  edge = await Edge.start();
  consumers = [];
});

afterEach(async () => {
  for (const each of consumers) each.mayClose = Promise.resolve();
  await Promise.all(consumers.map(({ consumer }) => consumer.close()));
  await edge[Symbol.asyncDispose]();
});

function consume(): WatchedConsumer {
  const consuming = new WatchedConsumer(edge);
  consumers.push(consuming);
  return consuming;
}

async function consumeAll(): Promise<WatchedConsumer> {
  const first = consume();
  await eventually(() => expect(first.partitions).toEqual([0, 1, 2, 3]), { withinMs });
  return first;
}

async function consumeByTwo(): Promise<readonly [WatchedConsumer, WatchedConsumer]> {
  const both = [await consumeAll(), consume()] as const;
  await eventually(() => expect(both.map(({ partitions }) => partitions.length)).toEqual([2, 2]), {
    withinMs,
  });
  return both;
}

/** Holds up the owners that must close. @returns what lets them close */
function hold(consuming: WatchedConsumer): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  consuming.mayClose = promise;
  return resolve;
}

/** Waits until `members` members send heartbeats in the newest generation. */
async function waitForHeartbeats(members: number): Promise<void> {
  const before = edge.kafka.requests('Heartbeat').length;
  await eventually(
    () => {
      const { generation } = edge.kafka.model.group(GROUP);
      const beats = edge.kafka.requests('Heartbeat').slice(before);
      expect(
        new Set(
          beats.filter((each) => each.generation === generation).map(({ memberId }) => memberId),
        ).size,
      ).toBe(members);
    },
    { withinMs },
  );
}

const topic = () => {
  const found = edge.kafka.model.topics.get('commands');
  if (!found) throw new Error('There is no topic commands');
  return found;
};

describe('when a second member joins', { timeout: TEST_MS }, () => {
  it('the first keeps its other owners, and the second gets what has closed', async () => {
    const first = await consumeAll();
    const letClose = hold(first);
    const second = consume();
    await eventually(() => expect(first.partitions).toHaveLength(2), { withinMs });
    const staying = first.open;
    await edge.kafka.append('commands', staying[0]?.assigned.partition ?? 0, [
      'while the others close',
    ]);
    await eventually(() => expect(staying[0]?.received).toEqual(['while the others close']));
    expect([second.partitions, second.hasJoined, first.closed]).toEqual([[], false, []]);
    letClose();
    // The second member learns this at its next heartbeat. It would ask by itself after 15 s.
    await eventually(() => expect(second.hasJoined).toBe(true), { withinMs: 10_000 });
    expect(second.partitions).toEqual([...first.closed].sort());
    expect([...first.partitions, ...second.partitions].sort()).toEqual([0, 1, 2, 3]);
    expect(first.open).toEqual(staying);
    expect(first.owners).toHaveLength(4);
  });

  it('each sees all members, with their partitions and itself among them', async () => {
    const [first, second] = await consumeByTwo();
    const foreign = { instance: 'member-1', host: '127.0.0.1', partitions: [], isThis: false };
    const seenBy = async ({ consumer }: WatchedConsumer) => {
      const members = await consumer.members();
      return members.map(({ instance: _, ...member }) => member);
    };
    const shown = ({ partitions }: WatchedConsumer, isThis: boolean) => ({
      host: '127.0.0.1',
      partitions: partitions.toSorted(),
      isThis,
    });
    expect(await first.consumer.members()).toContainEqual(foreign);
    expect(await seenBy(first)).toEqual(
      expect.arrayContaining([shown(first, true), shown(second, false)]),
    );
    expect(await seenBy(second)).toContainEqual(shown(second, true));
  });

  it('a partition that is closing goes to nobody, even if a third member joins', async () => {
    const first = await consumeAll();
    const letClose = hold(first);
    const others = [consume()];
    await eventually(() => expect(first.partitions).toHaveLength(2), { withinMs });
    const closing = [0, 1, 2, 3].filter((partition) => !first.partitions.includes(partition));
    others.push(consume());
    for (const round of [1, 2]) {
      if (round === 2) edge.kafka.model.group(GROUP).rebalance();
      await waitForHeartbeats(3);
    }
    const given = others.flatMap(({ partitions }) => partitions);
    expect(given.filter((partition) => closing.includes(partition))).toEqual([]);
    letClose();
    await eventually(
      () =>
        expect([first, ...others].flatMap(({ partitions }) => partitions).sort()).toEqual([
          0, 1, 2, 3,
        ]),
      { withinMs },
    );
  });

  it('and leaves again, the first gets everything back and closes nothing', async () => {
    const [first, second] = await consumeByTwo();
    await second.consumer.close();
    await eventually(() => expect(first.partitions).toEqual([0, 1, 2, 3]), { withinMs });
    expect(first.closed).toHaveLength(2);
  });
});

describe('the subscription of a member', { timeout: TEST_MS }, () => {
  it('has what it owns, and the generation in which it got that', async () => {
    const first = await consumeAll();
    for (const times of [2, 3]) {
      edge.kafka.model.group(GROUP).rebalance();
      await eventually(
        () => expect(edge.kafka.requests('Heartbeat').at(-1)?.generation).toBe(times),
        { withinMs },
      );
    }
    const all = [0, 1, 2, 3];
    expect(first.subscriptions()).toEqual([
      { owned: [], generation: -1, givenBack: [] },
      { owned: all, generation: 1, givenBack: [] },
      { owned: all, generation: 2, givenBack: [] },
    ]);
    expect(first.owners).toHaveLength(4);
  });

  it('has what it gives back until it works there again', async () => {
    const first = await consumeAll();
    const [owner] = first.open;
    owner?.assigned.giveBack();
    await eventually(() => expect(first.subscriptions()[1]?.givenBack).toEqual([0]), { withinMs });
    expect(first.partitions).toEqual([0, 1, 2, 3]);
    owner?.assigned.resumeFrom(0);
    edge.kafka.model.group(GROUP).rebalance();
    await eventually(() => expect(first.subscriptions()[2]?.givenBack).toEqual([]), { withinMs });
  });
});

describe('a partition that is given back', { timeout: TEST_MS }, () => {
  it('goes to the other member, and is wanted again only once it can be taken', async () => {
    const [first, second] = await consumeByTwo();
    const partition = first.partitions[0] ?? -1;
    first.open[0]?.assigned.giveBack();
    await eventually(() => expect(second.partitions).toContain(partition), { withinMs });
    await eventually(
      () => expect([first, second].map(({ partitions }) => partitions.length)).toEqual([2, 2]),
      { withinMs },
    );
    expect(first.subscriptions().at(-1)?.givenBack).toEqual([partition]);
    first.mayTake = true;
    await eventually(() => expect(first.subscriptions().at(-1)?.givenBack).toEqual([]), {
      withinMs,
    });
  });
});

describe('a member gives all partitions up, and gets new owners', { timeout: TEST_MS }, () => {
  it.each(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'] as const)(
    'when a heartbeat is answered %s',
    async (name) => {
      const first = await consumeAll();
      if (name === 'UNKNOWN_MEMBER_ID')
        for (const id of [...edge.kafka.model.group(GROUP).members.keys()])
          edge.kafka.model.group(GROUP).leave(id);
      else edge.kafka.on('Heartbeat', { error: ERRORS[name] });
      await eventually(() => expect(first.closed.toSorted()).toEqual([0, 1, 2, 3]), { withinMs });
      await eventually(() => expect(first.partitions).toEqual([0, 1, 2, 3]), { withinMs });
      expect(first.owners.length).toBeGreaterThanOrEqual(8);
    },
  );

  it('when the topic is deleted and created again', async () => {
    const first = await consumeAll();
    await edge.kafka.seen('Metadata', edge.kafka.requests('Metadata').length + 2);
    edge.kafka.model.addTopic('commands', [1, 2, 3, 1]);
    await eventually(() => expect(first.closed.toSorted()).toEqual([0, 1, 2, 3]), { withinMs });
    expect(first.partitions).toEqual([0, 1, 2, 3]);
  });
});

describe('a member', { timeout: TEST_MS }, () => {
  it('gets a new owner only for the partition whose owner stands beyond the end', async () => {
    const first = await consumeAll();
    first.isResuming = false;
    first.open[1]?.assigned.resumeFrom(7);
    await eventually(() => expect(first.owners).toHaveLength(5), { withinMs });
    expect([first.closed, first.partitions]).toEqual([[1], [0, 1, 2, 3]]);
  });

  it('gets a partition that is added to the topic', async () => {
    const first = await consumeAll();
    (topic().partitions as PartitionLog[]).push(new PartitionLog(2));
    await eventually(() => expect(first.partitions).toEqual([0, 1, 2, 3, 4]), { withinMs });
    expect([first.closed, first.owners.length]).toEqual([[], 5]);
  });

  it('leaves the group only once its owners are closed', async () => {
    const first = await consumeAll();
    const letClose = hold(first);
    const closing = first.consumer.close();
    await edge.kafka.seen('Heartbeat', edge.kafka.requests('Heartbeat').length + 2);
    expect(edge.kafka.requests('LeaveGroup')).toEqual([]);
    letClose();
    await closing;
    expect(edge.kafka.requests('LeaveGroup')).toHaveLength(1);
  });
});

it('reports that another process has its name, even before its first assignment', {
  timeout: TEST_MS,
}, async () => {
  edge.kafka.on('JoinGroup', { error: ERRORS.FENCED_INSTANCE_ID });
  const consuming = consume();
  await expect(consuming.consumer.firstJoin).rejects.toThrow(
    'Another process has joined the group',
  );
  expect(consuming.fenced).toEqual([
    expect.stringContaining('Another process has joined the group'),
  ]);
});
