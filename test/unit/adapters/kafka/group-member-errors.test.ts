import { describe, expect, it } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';
import { WatchedMember } from '../../../support/fake-kafka/watched-member.ts';

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
      await using joined = await WatchedMember.start();
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
      await using joined = await WatchedMember.start();
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
      await using joined = await WatchedMember.start();
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
      await using joined = await WatchedMember.start();
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
    await using joined = await WatchedMember.start();
    await joined.assigned();
    const { memberId } = joined.member.membership;
    joined.edge.kafka.on('JoinGroup', { error: ERRORS[name] });
    joined.member.rejoin();
    await joined.assigned(2);
    expect(joined.joins()).toEqual(['', memberId, memberId, memberId]);
    expect(joined.told).toEqual(told);
  });

  it('JoinGroup: after UNKNOWN_MEMBER_ID it gives all up and joins anew', async ({ expect }) => {
    await using joined = await WatchedMember.start();
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
    await using joined = await WatchedMember.start();
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
    await using joined = await WatchedMember.start('shop-1');
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

it.concurrent.for(['REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID'] as const)(
  'joins again with pauses while JoinGroup answers %s',
  async (name, { expect }) => {
    await using joined = await WatchedMember.start();
    joined.edge.kafka.on('JoinGroup', { error: ERRORS[name] }, { isLasting: true });
    const askedAtMs = performance.now();
    await joined.edge.kafka.seen('JoinGroup', 8);
    expect(performance.now() - askedAtMs).toBeGreaterThan(500);
    joined.edge.kafka.heal();
    await joined.assigned();
  },
);
