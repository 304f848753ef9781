import { describe, it } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';
import { WatchedMember } from '../../../support/fake-kafka/watched-member.ts';

describe.concurrent('without an answer, or on a broken connection', () => {
  const cases = (['JoinGroup', 'SyncGroup', 'Heartbeat'] as const).flatMap((api) =>
    (['before', 'after'] as const).map((when) => [api, when] as const),
  );

  it.for(cases)(
    '%s, broken %s it was carried out, is sent again',
    async ([api, when], { expect }) => {
      await using joined = await WatchedMember.start();
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
    await using joined = await WatchedMember.start();
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
      await using joined = await WatchedMember.start();
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
    await using joined = await WatchedMember.start();
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
    await using joined = await WatchedMember.start();
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
    await using joined = new WatchedMember(edge);
    await joined.assigned();
    expect(edge.kafka.requests('FindCoordinator').length).toBeGreaterThanOrEqual(3);
    expect(edge.kafka.requests('FindCoordinator')[0]).toEqual({ key: GROUP, kind: 0 });
  });
});

it.concurrent('asks a loading coordinator with pauses even if it wants to join again', async ({
  expect,
}) => {
  await using joined = await WatchedMember.start();
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
