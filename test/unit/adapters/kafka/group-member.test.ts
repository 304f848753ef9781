import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { GroupMember } from '../../../../src/adapters/broker/kafka/consumer/group-member.ts';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { eventually } from '../../../support/eventually.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS } from '../../../support/fake-kafka/error-codes.ts';
import { WatchedMember } from '../../../support/fake-kafka/watched-member.ts';

it('joins with the id of the coordinator, assigns as the leader, sends heartbeats', async () => {
  await using joined = await WatchedMember.start();
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
  await using joined = await WatchedMember.start();
  await joined.assigned();
  const { memberId } = joined.member.membership;
  await joined.member.close();
  expect(joined.edge.kafka.requests('LeaveGroup', 2)).toMatchObject([
    { groupId: GROUP, members: [{ memberId }] },
  ]);
});

it('does not leave as a static member, which has its name from the first join on', async () => {
  await using joined = await WatchedMember.start('shop-1');
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
  await using joined = await WatchedMember.start();
  await joined.assigned();
  joined.edge.kafka.on('LeaveGroup', { error: ERRORS[name] });
  await joined.member.close();
  expect(joined.edge.kafka.requests('LeaveGroup')).toHaveLength(1);
});

describe.concurrent('a member that closes', () => {
  it('ends at once even if it is connecting to its coordinator', async ({ expect }) => {
    const edge = await Edge.start();
    const held = Promise.withResolvers<void>();
    edge.kafka.on('FindCoordinator', { held: held.promise }, { isLasting: true });
    edge.kafka.on('JoinGroup', { silence: 'before' }, { isLasting: true });
    await using joined = new WatchedMember(edge, 'shop-1');
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
    await using joined = new WatchedMember(edge);
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
    await using joined = new WatchedMember(edge);
    await edge.kafka.seen('JoinGroup');
    const closingAtMs = performance.now();
    await joined.member.close();
    expect(performance.now() - closingAtMs).toBeLessThan(5_000);
    expect(edge.kafka.requests('LeaveGroup')).toEqual([]);
  });
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
