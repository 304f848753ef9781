// @module-tag db

import { expect, it } from 'vitest';
import { ClusterFaults } from '../simulation/cluster-faults.ts';
import { SimulatedLog } from '../simulation/simulated-log.ts';
import { World } from '../simulation/world.ts';
import { asHistoryRecord } from '../support/read-history.ts';

/** Lets retention empty the log before the group commits. @returns the ids that are judged */
function judgedIds(processedIds: readonly string[]): readonly string[] {
  const world = new World(1);
  const log = new SimulatedLog(world, ['commands', 'events'], 1, () => {});
  const batch = { type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 1 };
  for (const id of ['first', 'second'])
    log.partition('commands', 0).append({
      key: 'LAMP',
      value: JSON.stringify({ ...batch, id }),
      headers: {},
    });
  const listener = { mayLoseCommands: true, happens() {}, forgets() {}, leave() {} };
  const cluster = new ClusterFaults(
    world,
    log,
    { commands: 'commands', events: 'events' },
    listener,
  );
  while (log.partition('commands', 0).start < log.partition('commands', 0).end)
    cluster.befall('retention of commands');
  const nothing = {
    products: [],
    batches: [],
    lines: [],
    positions: [],
    outbox: [],
    parkedIds: [],
  };
  const { commands } = cluster.withoutLost({
    commands: log.partition('commands', 0).read(0).map(asHistoryRecord),
    events: [],
    deadLetters: [],
    committedOffsets: log.offsets.committed,
    ends: new Map([[0, log.partition('commands', 0).end]]),
    tables: { ...nothing, processedIds: new Set(processedIds) },
  });
  return commands.map(({ value }) => JSON.parse(String(value)).id);
}

it('a command that retention deleted before it was handled is not judged', () => {
  expect(judgedIds([])).toEqual([]);
});

it('a command that was handled without an answer, then deleted, is judged', () => {
  expect(judgedIds(['second'])).toEqual(['second']);
});
