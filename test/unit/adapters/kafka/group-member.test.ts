import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { GroupMember } from '../../../../src/adapters/broker/kafka/consumer/group-member.ts';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import { Joined } from '../../../support/fake-kafka/joined.ts';

it('joins with the id of the coordinator, assigns as the leader, sends heartbeats', async () => {
  await using joined = await Joined.start();
  const { edge, member } = joined;
  await eventually(() => expect(joined.told).toEqual(['yours']));
  const [first, second] = edge.kafka.requests('JoinGroup', 2);
  expect(first).toMatchObject({
    groupId: GROUP,
    memberId: '',
    instanceId: null,
    sessionTimeoutMs: 6_000,
  });
  expect(second?.memberId).toMatch(/^member-/);
  const memberId = second?.memberId ?? '';
  expect(edge.kafka.requests('SyncGroup', 2)).toMatchObject([
    { generation: 1, memberId, assignments: [{ memberId, assignment: Buffer.from('yours') }] },
  ]);
  await edge.kafka.seen('Heartbeat', 2);
  expect(edge.kafka.requests('Heartbeat', 2)[0]).toMatchObject({
    groupId: GROUP,
    generation: 1,
    memberId,
  });
  expect(member.membership).toEqual({ memberId, generation: 1 });
});

it('leaves the group when it closes', async () => {
  await using joined = await Joined.start();
  await joined.assigned();
  const { memberId } = joined.member.membership;
  await joined.member.close();
  expect(joined.edge.kafka.requests('LeaveGroup', 2)).toMatchObject([
    { groupId: GROUP, members: [{ memberId }] },
  ]);
});

it('does not leave as a static member, which has its name from the first join on', async () => {
  await using joined = await Joined.start('shop-1');
  await joined.assigned();
  await joined.member.close();
  expect(joined.edge.kafka.requests('JoinGroup').map(({ instanceId }) => instanceId)).toEqual([
    'shop-1',
  ]);
  expect(joined.edge.kafka.requests('LeaveGroup')).toEqual([]);
});

const LEAVE_ERRORS = [
  'COORDINATOR_LOAD_IN_PROGRESS',
  'COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR',
  'UNKNOWN_MEMBER_ID',
  'GROUP_AUTHORIZATION_FAILED',
  'FENCED_INSTANCE_ID',
] as const;

it.each(LEAVE_ERRORS)('closes in time although LeaveGroup answers %s', async (name) => {
  await using joined = await Joined.start();
  await joined.assigned();
  joined.edge.kafka.on('LeaveGroup', { error: ERRORS[name] });
  await joined.member.close();
  expect(joined.edge.kafka.requests('LeaveGroup')).toHaveLength(1);
});

type MemberApi = 'JoinGroup' | 'SyncGroup' | 'Heartbeat';
type Row = readonly [MemberApi, ErrorName];

/** The request goes to the same node or to the new coordinator, and the member keeps all. */
const ASKED_AGAIN: readonly Row[] = (['JoinGroup', 'SyncGroup', 'Heartbeat'] as const).flatMap(
  (api) =>
    (
      [
        'COORDINATOR_LOAD_IN_PROGRESS',
        'COORDINATOR_NOT_AVAILABLE',
        'NOT_COORDINATOR',
        'UNKNOWN_SERVER_ERROR',
      ] as const
    ).map((name) => [api, name] as const),
);

describe.concurrent('while the coordinator moves or loads', () => {
  it.for(ASKED_AGAIN)(
    '%s is sent again in its generation after %s',
    async ([api, name], { expect }) => {
      await using joined = await Joined.start();
      if (api === 'Heartbeat') await joined.assigned();
      const nth = api === 'JoinGroup' ? 2 : 1; // the first one is answered with the member id
      joined.edge.kafka.on(api, { error: ERRORS[name] }, { nth });
      const before = joined.edge.kafka.requests(api).length;
      await joined.edge.kafka.seen(api, before + nth + 1);
      await joined.assigned();
      const { memberId } = joined.member.membership;
      expect(joined.joins()).toEqual(
        api === 'JoinGroup' ? ['', memberId, memberId] : ['', memberId],
      );
      expect(joined.told).toEqual(['yours']);
      expect(joined.member.membership.generation).toBe(1);
    },
  );

  /** A node that is loading is the coordinator already. */
  const moved = ASKED_AGAIN.filter(([, name]) => name !== 'COORDINATOR_LOAD_IN_PROGRESS');

  it.for(moved)(
    '%s goes to the new coordinator while %s lasts',
    async ([api, name], { expect }) => {
      await using joined = await Joined.start();
      if (api === 'Heartbeat') await joined.assigned();
      joined.edge.kafka.on(api, { error: ERRORS[name] }, { node: 2, isLasting: true });
      const before = joined.edge.kafka.requests(api, 2).length;
      await eventually(() =>
        expect(joined.edge.kafka.requests(api, 2).length).toBeGreaterThan(before),
      );
      joined.edge.kafka.model.coordinators.group.set(GROUP, 3);
      await eventually(() => expect(joined.edge.kafka.requests(api, 3).length).toBeGreaterThan(0));
      await joined.assigned();
      expect(joined.told).toEqual(['yours']);
    },
  );
});

describe.concurrent('at a rebalance', () => {
  const rejoined: readonly Row[] = [
    ['SyncGroup', 'REBALANCE_IN_PROGRESS'],
    ['SyncGroup', 'INCONSISTENT_GROUP_PROTOCOL'],
    ['Heartbeat', 'REBALANCE_IN_PROGRESS'],
  ];

  it.for(rejoined)(
    '%s: after %s it rejoins and gives nothing up',
    async ([api, name], { expect }) => {
      await using joined = await Joined.start();
      if (api === 'Heartbeat') await joined.assigned();
      joined.edge.kafka.on(api, { error: ERRORS[name] });
      await joined.assigned(api === 'Heartbeat' ? 2 : 1);
      const { memberId, generation } = joined.member.membership;
      expect(joined.joins()).toEqual(['', memberId, memberId]);
      expect(joined.told).not.toContain('lost');
      expect(generation).toBe(2);
    },
  );
});

describe.concurrent('when the group has gone on without it', () => {
  const lost: readonly (readonly [...Row, 'anew' | 'under its name'])[] = [
    ['SyncGroup', 'UNKNOWN_MEMBER_ID', 'anew'],
    ['SyncGroup', 'ILLEGAL_GENERATION', 'under its name'],
    ['Heartbeat', 'UNKNOWN_MEMBER_ID', 'anew'],
    ['Heartbeat', 'ILLEGAL_GENERATION', 'under its name'],
  ];

  it.for(lost)(
    '%s: after %s it gives all up and joins %s',
    async ([api, name, how], { expect }) => {
      await using joined = await Joined.start();
      if (api === 'Heartbeat') await joined.assigned();
      const wasAssigned = joined.told.length;
      joined.edge.kafka.on(api, { error: ERRORS[name] });
      if (how === 'anew') {
        await joined.edge.kafka.seen(api);
        for (const group of joined.edge.kafka.model.group(GROUP).members.keys())
          joined.edge.kafka.model.group(GROUP).leave(group);
      }
      await joined.assigned(wasAssigned + 1);
      expect(joined.told).toEqual([
        ...Array.from({ length: wasAssigned }, () => 'yours'),
        'lost',
        'yours',
      ]);
      const [first, second, third] = joined.joins();
      expect([first, third]).toEqual(['', how === 'anew' ? '' : second]);
    },
  );

  it.for([
    ['REBALANCE_IN_PROGRESS', ['yours', 'yours']],
    ['ILLEGAL_GENERATION', ['yours', 'lost', 'yours']],
  ] as const)('JoinGroup: after %s it rejoins: %o', async ([name, told], { expect }) => {
    await using joined = await Joined.start();
    await joined.assigned();
    const { memberId } = joined.member.membership;
    joined.edge.kafka.on('JoinGroup', { error: ERRORS[name] });
    joined.member.rejoin();
    await joined.assigned(2);
    expect(joined.joins()).toEqual(['', memberId, memberId, memberId]);
    expect(joined.told).toEqual(told);
  });

  it('JoinGroup: after UNKNOWN_MEMBER_ID it gives all up and joins anew', async ({ expect }) => {
    await using joined = await Joined.start();
    await joined.assigned();
    joined.edge.kafka.on('JoinGroup', { error: ERRORS.UNKNOWN_MEMBER_ID });
    joined.member.rejoin();
    await eventually(() => expect(joined.told).toContain('lost'));
    for (const id of [...joined.edge.kafka.model.group(GROUP).members.keys()])
      joined.edge.kafka.model.group(GROUP).leave(id);
    await joined.assigned(2);
    expect(joined.joins()[3]).toBe('');
  });
});

describe.concurrent('when an operator must change something', () => {
  const refused: readonly Row[] = [
    ['JoinGroup', 'GROUP_AUTHORIZATION_FAILED'],
    ['JoinGroup', 'INCONSISTENT_GROUP_PROTOCOL'],
    ['JoinGroup', 'INVALID_GROUP_ID'],
    ['JoinGroup', 'INVALID_SESSION_TIMEOUT'],
    ['JoinGroup', 'GROUP_MAX_SIZE_REACHED'],
    ['JoinGroup', 'UNSUPPORTED_VERSION'],
    ['SyncGroup', 'GROUP_AUTHORIZATION_FAILED'],
    ['Heartbeat', 'GROUP_AUTHORIZATION_FAILED'],
  ];

  it.for(refused)('%s: after %s it joins five seconds later', async ([api, name], { expect }) => {
    await using joined = await Joined.start();
    if (api === 'Heartbeat') await joined.assigned();
    const before = joined.told.length;
    joined.edge.kafka.on(api, { error: ERRORS[name] });
    await joined.edge.kafka.seen(api);
    const refusedAtMs = performance.now();
    await joined.assigned(before + 1);
    expect(performance.now() - refusedAtMs).toBeGreaterThan(4_000);
  });
});

it.for(['JoinGroup', 'SyncGroup', 'Heartbeat'] as const)(
  '%s: another process with its name fences it for good',
  async (api) => {
    await using joined = await Joined.start('shop-1');
    if (api === 'Heartbeat') await joined.assigned();
    joined.edge.kafka.on(api, { error: ERRORS.FENCED_INSTANCE_ID });
    await eventually(() => expect(joined.told.at(-1)).toBe('lost'));
    expect(joined.member.problem()).toContain('KAFKA_INSTANCE_ID=shop-1');
    expect(joined.fenced).toEqual([joined.member.problem()]);
    const before = joined.edge.kafka.received.length;
    await joined.edge.settle();
    const since = joined.edge.kafka.received.slice(before).map(({ api: each }) => each);
    expect(since.filter((each) => ['JoinGroup', 'SyncGroup', 'Heartbeat'].includes(each))).toEqual(
      [],
    );
  },
);

describe.concurrent('without an answer, or on a broken connection', () => {
  const cases = (['JoinGroup', 'SyncGroup', 'Heartbeat'] as const).flatMap((api) =>
    (['before', 'after'] as const).map((when) => [api, when] as const),
  );

  it.for(cases)(
    '%s, broken %s it was carried out, is sent again',
    async ([api, when], { expect }) => {
      await using joined = await Joined.start();
      if (api === 'Heartbeat') await joined.assigned();
      const nth = api === 'JoinGroup' ? 2 : 1;
      joined.edge.kafka.on(api, { broken: when }, { nth });
      const before = joined.edge.kafka.requests(api).length;
      await joined.edge.kafka.seen(api, before + nth + 1);
      await joined.assigned();
      expect(joined.told).not.toContain('lost');
    },
  );

  it('a heartbeat without an answer is sent again within eight seconds', async ({ expect }) => {
    await using joined = await Joined.start();
    await joined.assigned();
    joined.edge.kafka.on('Heartbeat', { silence: 'before' });
    await joined.edge.kafka.seen('Heartbeat', 1);
    const count = joined.edge.kafka.requests('Heartbeat').length;
    const silentAtMs = performance.now();
    await joined.edge.kafka.seen('Heartbeat', count + 1);
    expect(performance.now() - silentAtMs).toBeLessThan(8_000);
    expect(joined.told).toEqual(['yours']);
  });

  it.for(['JoinGroup', 'SyncGroup'] as const)(
    '%s: a silent coordinator is left once another node coordinates',
    async (api, { expect }) => {
      await using joined = await Joined.start();
      joined.edge.kafka.on(api, { silence: 'before' }, { node: 2, isLasting: true });
      await joined.edge.kafka.seen(api);
      joined.edge.kafka.model.coordinators.group.set(GROUP, 3);
      const movedAtMs = performance.now();
      await joined.assigned();
      // An answer may take 15 s.
      expect(performance.now() - movedAtMs).toBeLessThan(10_000);
    },
  );

  it('a coordinator that has left the cluster is left even if it still answers', async ({
    expect,
  }) => {
    await using joined = await Joined.start();
    await joined.assigned();
    joined.edge.kafka.model.coordinators.group.set(GROUP, 3);
    const heartbeats = { answer: { throttleMs: 0, errorCode: 0 } };
    joined.edge.kafka.on('Heartbeat', heartbeats, { node: 2, isLasting: true });
    joined.edge.kafka.model.ports.delete(2);
    await eventually(async () => {
      await joined.edge.view.refresh();
      expect(joined.edge.kafka.requests('Heartbeat', 3).length).toBeGreaterThan(0);
    });
    expect(joined.told).toEqual(['yours']);
  });

  it('Heartbeat: a silent coordinator is left once another node coordinates', async ({
    expect,
  }) => {
    await using joined = await Joined.start();
    await joined.assigned();
    joined.edge.kafka.on('Heartbeat', { silence: 'before' }, { node: 2, isLasting: true });
    await joined.edge.kafka.seen('Heartbeat', 1);
    joined.edge.kafka.model.coordinators.group.set(GROUP, 1);
    await eventually(() =>
      expect(joined.edge.kafka.requests('Heartbeat', 1).length).toBeGreaterThan(0),
    );
    expect(joined.told).toEqual(['yours']);
  });
});

describe.concurrent('FindCoordinator', () => {
  const names = [
    'UNKNOWN_SERVER_ERROR',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'COORDINATOR_NOT_AVAILABLE',
    'INVALID_GROUP_ID',
    'GROUP_AUTHORIZATION_FAILED',
    'INVALID_REQUEST',
  ] as const;

  it.for(names)('is sent again after %s', async (name, { expect }) => {
    const edge = await Edge.start();
    for (const nth of [1, 2]) edge.kafka.on('FindCoordinator', { error: ERRORS[name] }, { nth });
    await using joined = new Joined(edge);
    await joined.assigned();
    expect(edge.kafka.requests('FindCoordinator').length).toBeGreaterThanOrEqual(3);
    expect(edge.kafka.requests('FindCoordinator')[0]).toEqual({ key: GROUP, kind: 0 });
  });
});

describe.concurrent('a member that closes', () => {
  it('ends at once even if it is connecting to its coordinator', async ({ expect }) => {
    const edge = await Edge.start();
    const held = Promise.withResolvers<void>();
    edge.kafka.on('FindCoordinator', { held: held.promise }, { isLasting: true });
    edge.kafka.on('JoinGroup', { silence: 'before' }, { isLasting: true });
    await using joined = new Joined(edge, 'shop-1');
    await edge.kafka.seen('FindCoordinator');
    const closingAtMs = performance.now();
    const closing = joined.member.close();
    held.resolve();
    await closing;
    expect(performance.now() - closingAtMs).toBeLessThan(5_000);
    expect(edge.kafka.requests('JoinGroup')).toEqual([]);
  });

  it.for([
    ['that names it', 1],
    ['that waits for the others', 2],
  ] as const)('leaves the group while it waits for the answer %s', async ([, nth], { expect }) => {
    const edge = await Edge.start();
    const held = Promise.withResolvers<void>();
    edge.kafka.on('JoinGroup', { held: held.promise }, { nth });
    await using joined = new Joined(edge);
    await edge.kafka.seen('JoinGroup', nth);
    const closing = joined.member.close();
    held.resolve();
    await closing;
    expect(edge.kafka.requests('LeaveGroup', 2)).toMatchObject([
      { groupId: GROUP, members: [{ memberId: expect.stringMatching(/^member-/) }] },
    ]);
  });

  it('ends soon although the coordinator does not name it', async ({ expect }) => {
    const edge = await Edge.start();
    edge.kafka.on('JoinGroup', { silence: 'before' }, { isLasting: true });
    await using joined = new Joined(edge);
    await edge.kafka.seen('JoinGroup');
    const closingAtMs = performance.now();
    await joined.member.close();
    expect(performance.now() - closingAtMs).toBeLessThan(5_000);
    expect(edge.kafka.requests('LeaveGroup')).toEqual([]);
  });
});

it.concurrent.for(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'] as const)(
  'joins again with pauses while JoinGroup answers %s',
  async (name, { expect }) => {
    await using joined = await Joined.start();
    joined.edge.kafka.on('JoinGroup', { error: ERRORS[name] }, { isLasting: true });
    const askedAtMs = performance.now();
    await joined.edge.kafka.seen('JoinGroup', 8);
    expect(performance.now() - askedAtMs).toBeGreaterThan(500);
    joined.edge.kafka.heal();
    await joined.assigned();
  },
);

it.concurrent('asks a loading coordinator with pauses even if it wants to join again', async ({
  expect,
}) => {
  await using joined = await Joined.start();
  joined.edge.kafka.on(
    'SyncGroup',
    { error: ERRORS.COORDINATOR_LOAD_IN_PROGRESS },
    { isLasting: true },
  );
  await joined.edge.kafka.seen('SyncGroup');
  joined.member.rejoin();
  const askedAtMs = performance.now();
  await joined.edge.kafka.seen('SyncGroup', 10);
  expect(performance.now() - askedAtMs).toBeGreaterThan(500);
  joined.edge.kafka.heal();
  await joined.assigned(2);
});

/** What a member logs whose assignment cannot be read for so long. */
async function logOf(edge: Edge, unreadableMs: number): Promise<readonly string[]> {
  const said: string[] = [];
  const log = pino({ level: 'info' }, { write: (line) => void said.push(JSON.parse(line).msg) });
  const endMs = performance.now() + unreadableMs;
  let isAssigned = false;
  const events = {
    onAssignment: () => {
      if (performance.now() < endMs) throw new TroubleError('no assignment');
      isAssigned = true;
    },
    onLoss: () => {},
    onFenced: () => {},
  };
  const protocol = { name: 'test', subscription: () => Buffer.alloc(0), assign: async () => [] };
  const member = new GroupMember({ ...edge.options, log }, edge.view, GROUP, [protocol], events);
  await eventually(() => {
    if (!isAssigned) throw new Error('The member has no assignment yet');
  });
  await member.close();
  return said;
}

it.concurrent('logs once why it has no part in the group for two seconds', async ({ expect }) => {
  await using edge = await Edge.start();
  expect(await logOf(edge, 3_500)).toEqual([
    expect.stringContaining('no assignment'),
    expect.stringContaining('can be reached again'),
  ]);
});

it.concurrent('logs nothing about trouble that ends at once', async ({ expect }) => {
  await using edge = await Edge.start();
  expect(await logOf(edge, 300)).toEqual([]);
});
