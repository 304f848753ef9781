import { describe, it } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';

const CUT_OFF = 2;
const COORDINATOR = 3;

/** Starts a cluster where node 3 coordinates the group. Node 2, cut off, answers as before. */
async function start(): Promise<Edge> {
  const edge = await Edge.start();
  edge.kafka.model.offsets.set(`${GROUP}/commands/0`, 5);
  await edge.admin.committedOffsets(GROUP, 'commands');
  const { ports } = edge.kafka.model;
  const itself = { host: '127.0.0.1', port: ports.get(CUT_OFF), nodeId: CUT_OFF };
  edge.kafka.on(
    'FindCoordinator',
    { answer: { errorCode: 0, message: '', ...itself } as never },
    { node: CUT_OFF, isLasting: true },
  );
  const partitions = [5, -1, -1, -1].map((offset, index) => ({
    index,
    offset,
    leaderEpoch: -1,
    metadata: '',
    errorCode: 0,
  }));
  const old = { topics: [{ name: 'commands', partitions }], errorCode: 0 };
  edge.kafka.on('OffsetFetch', { answer: old as never }, { node: CUT_OFF, isLasting: true });
  edge.kafka.model.coordinators.group.set(GROUP, COORDINATOR);
  edge.kafka.model.offsets.set(`${GROUP}/commands/0`, 9);
  return edge;
}

describe.concurrent('a coordinator that is cut off from the other nodes', () => {
  it('is not asked for the offset at which a lane begins', async ({ expect }) => {
    await using edge = await start();
    const offsets = await edge.admin.committedOffsets(GROUP, 'commands', 0);
    expect(offsets[0]).toBe(9);
  });

  it('is left within two seconds by a lane that waits for others', async ({ expect }) => {
    await using edge = await start();
    const offset = async () => (await edge.admin.committedOffsets(GROUP, 'commands'))[0];
    await expect.poll(offset, { timeout: 2_000 }).toBe(9);
  });

  it('is not taken as the coordinator while no other node answers', async ({ expect }) => {
    await using edge = await start();
    for (const node of [1, 3])
      edge.kafka.on('FindCoordinator', { broken: 'before' }, { node, isLasting: true });
    await expect(edge.view.coordinatorOf(GROUP)).rejects.toThrow(TroubleError);
  });
});
