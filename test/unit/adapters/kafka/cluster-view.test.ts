import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import { clusterHandlers } from '../../../support/fake-kafka/cluster-handlers.ts';
import { Edge, GROUP } from '../../../support/fake-kafka/edge.ts';
import { ERRORS, type ErrorName } from '../../../support/fake-kafka/error-codes.ts';

/** The view asks for metadata again once the last answer is this old. */
const FRESH_MS = 100;
/** An older answer stays wrong, even after so long without a question. */
const LONG_MS = 60_000;
const NODES = [1, 2, 3];

let edge: Edge;

/** Fakes only the clock that measures the age of metadata. */
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  edge = await Edge.start();
});

afterEach(async () => {
  vi.useRealTimers();
  await edge[Symbol.asyncDispose]();
});

const log = () => {
  const found = edge.kafka.model.partition('commands', 0);
  if (!found) throw new Error('There is no commands/0');
  return found;
};

function leadFrom(leader: number): void {
  log().leader = leader;
  log().leaderEpoch += 1;
}

/** Builds the answer to Metadata that a node would give now. */
const metadata = () =>
  clusterHandlers.Metadata(
    edge.kafka.model,
    { topics: ['commands'].map((name) => ({ name, topicId: '' })) } as never,
    {
      node: 0,
      version: 10,
      refusal: () => 0,
    },
  ) as never;

/**
 * Refreshes the view once for each node, so that each node is asked first once.
 * @returns the node that leads after each refresh
 */
async function leaders(): Promise<readonly number[]> {
  const found: number[] = [];
  for (const _ of NODES) {
    vi.advanceTimersByTime(FRESH_MS);
    await edge.view.refresh();
    const { port } = await edge.view.leaderOf('commands', 0);
    found.push(NODES.find((node) => edge.kafka.model.ports.get(node) === port) ?? -1);
  }
  return found;
}

describe('the view of the cluster', () => {
  it('follows a leader that moves', async () => {
    expect(await leaders()).toEqual([1, 1, 1]);
    leadFrom(3);
    expect(await leaders()).toEqual([3, 3, 3]);
  });

  it('keeps the newer leader while a node that is cut off names the older one', async () => {
    await leaders();
    edge.kafka.on('Metadata', { answer: metadata() }, { node: 2, isLasting: true });
    leadFrom(3);
    expect([...(await leaders()), ...(await leaders())]).toEqual([3, 3, 3, 3, 3, 3]);
    vi.advanceTimersByTime(LONG_MS);
    expect(await leaders()).toEqual([3, 3, 3]);
  });

  it('takes the leaders of a topic that is created again with older epochs', async () => {
    leadFrom(3);
    await leaders();
    edge.kafka.model.addTopic('commands', [2, 2, 2, 2]);
    expect(await leaders()).toEqual([2, 2, 2]);
  });

  it('knows from the newest answer which nodes are alive', async () => {
    await leaders();
    const address = { host: '127.0.0.1', port: edge.kafka.model.ports.get(2) ?? -1 };
    expect(edge.view.isAlive(address)).toBe(true);
    edge.kafka.model.ports.delete(2);
    await leaders();
    expect(edge.view.isAlive(address)).toBe(false);
  });

  it('reports changes only', async () => {
    await leaders();
    let changes = 0;
    edge.view.onChange = () => {
      changes += 1;
    };
    await leaders();
    expect(changes).toBe(0);
    leadFrom(3);
    await leaders();
    expect(changes).toBe(1);
    edge.kafka.model.ports.delete(2);
    await leaders();
    expect(changes).toBe(2);
  });

  it('finds a topic that is created after the first question', async () => {
    await expect(edge.view.partitionCount('new')).rejects.toThrow('The topic new is not there');
    edge.kafka.model.addTopic('new', [1, 2]);
    vi.advanceTimersByTime(FRESH_MS);
    expect(await edge.view.partitionCount('new')).toBe(2);
  });

  it('fails if a partition has no leader or does not exist', async () => {
    await expect(edge.view.leaderOf('commands', 4)).rejects.toThrow(TroubleError);
    log().leader = -1;
    await leaders().catch(() => {});
    await expect(edge.view.leaderOf('commands', 0)).rejects.toThrow(
      'commands/0 has no leader just now',
    );
  });

  it.each<ErrorName>([
    'UNKNOWN_TOPIC_OR_PARTITION',
    'TOPIC_AUTHORIZATION_FAILED',
    'LEADER_NOT_AVAILABLE',
    'UNKNOWN_SERVER_ERROR',
  ])('names no log of a topic while Metadata answers %s', async (name) => {
    edge.kafka.on('Metadata', { error: ERRORS[name], at: 'commands' }, { isLasting: true });
    await expect(edge.view.logId('commands')).rejects.toThrow('The topic commands is not there');
  });

  it.each<ErrorName>([
    'COORDINATOR_NOT_AVAILABLE',
    'COORDINATOR_LOAD_IN_PROGRESS',
    'GROUP_AUTHORIZATION_FAILED',
    'UNKNOWN_SERVER_ERROR',
  ])('knows no coordinator while FindCoordinator answers %s', async (name) => {
    edge.kafka.on('FindCoordinator', { error: ERRORS[name] }, { isLasting: true });
    await expect(edge.view.coordinatorOf(GROUP)).rejects.toThrow(TroubleError);
  });

  it.each(NODES)('asks another node if node %i does not answer', async (node) => {
    edge.kafka.on('FindCoordinator', { silence: 'before' }, { node, isLasting: true });
    for (const _ of NODES)
      expect((await edge.view.coordinatorOf(GROUP)).port).toBe(edge.kafka.model.ports.get(2));
  });
});
