// @module-tag db

import { expect, test } from 'vitest';
import { releaseParked } from '../../../src/adapters/database/lanes/parked-release.ts';
import type { Command } from '../../../src/domain/commands.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
  handleIn,
} from '../../support/commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

describeOnEachDatabase('Reading parked commands', (current) => {
  /** Reads the parked commands that a transaction needs in order to handle `commands`. */
  async function readFor(commands: readonly Command[], willPark = false) {
    const identified = commands.map((command, index) => ({ identity: `/shop\t${index}`, command }));
    const { commands: found, lastPosition } = await (await current.database()).getSession(
      (session) => session.readParked(identified, willPark),
    );
    return [found.map(({ id }) => id), lastPosition];
  }

  async function park(
    position: number,
    id: string,
    subjects: readonly string[],
    behind: readonly string[] = [],
  ) {
    await (await current.database()).query(
      'insert into parked_commands (id, identity, subjects, behind, position, is_redriven) ' +
        'values (?, ?, ?, ?, ?, 0)',
      [id, id, JSON.stringify(subjects), JSON.stringify(behind), position],
    );
  }

  test('finds nothing when nothing is parked', async () => {
    expect(await readFor([allocateOrder('1', 'LAMP')])).toEqual([[], 0]);
  });

  test('leaves out commands about other products, batches and orders', async () => {
    await park(1, 'lamp', ['order:1', 'sku:LAMP']);
    await park(2, 'sofa', ['order:2', 'sku:SOFA']);
    expect(await readFor([allocateOrder('3', 'LAMP')])).toEqual([['lamp'], 2]);
    expect(await readFor([allocateOrder('3', 'TABLE')])).toEqual([[], 0]);
    expect(await readFor([allocateOrder('3', 'TABLE')], true)).toEqual([[], 2]);
    expect(await readFor([allocateOrder('2', 'TABLE'), createBatch('b', 'LAMP', 1)])).toEqual([
      ['lamp', 'sofa'],
      2,
    ]);
  });

  test('finds commands about the product of a stored batch or order', async () => {
    await handleIn(
      await current.database(),
      createBatch('b', 'LAMP', 10),
      allocateOrder('1', 'LAMP'),
    );
    await park(1, 'lamp', ['order:9', 'sku:LAMP']);
    expect(await readFor([changeBatchQuantity('b', 5)])).toEqual([['lamp'], 1]);
    expect(await readFor([deallocateOrder('1')])).toEqual([['lamp'], 1]);
    expect(await readFor([changeBatchQuantity('another', 5), deallocateOrder('2')])).toEqual([
      [],
      0,
    ]);
  });

  test('finds commands about a product of a parked batch, and what they wait behind', async () => {
    await park(1, 'failed', ['order:1', 'sku:DESK']);
    await park(2, 'chain', ['order:2', 'sku:DESK', 'sku:LAMP'], ['failed']);
    await park(3, 'creation', ['batch:b', 'sku:LAMP'], ['failed']);
    await park(4, 'other', ['order:4', 'sku:SOFA']);
    expect(await readFor([changeBatchQuantity('b', 5)])).toEqual([
      ['failed', 'chain', 'creation'],
      4,
    ]);
  });

  test('finds a command that comes again though its subjects have changed', async () => {
    await park(1, '0', ['order:1', 'sku:DESK']);
    await (await current.database()).query(
      "update parked_commands set identity = '' where id = '0'",
    );
    expect(await readFor([allocateOrder('3', 'LAMP')])).toEqual([['\t\t0'], 1]);
  });
});

describeOnEachDatabase('Releasing parked commands', (current) => {
  const release = async () =>
    releaseParked(await current.database(), { redriven: ['sent'], discarded: [], replaced: null });

  test('tells whether the database knows any of the commands, answered ones too', async () => {
    const database = await current.database();
    expect(await release()).toBe(false);
    await database.query(`insert into processed_commands (id) values ('sent')`);
    expect(await release()).toBe(true);
    await database.query('delete from processed_commands');
    await database.query(
      'insert into parked_commands (id, subjects, behind, position, is_redriven) ' +
        `values ('sent', '[]', '[]', 1, 0), ('other', '[]', '[]', 2, 0)`,
    );
    expect(await release()).toBe(true);
    expect(await database.query('select id, is_redriven from parked_commands order by id')).toEqual(
      [
        { id: 'other', is_redriven: 0 },
        { id: 'sent', is_redriven: 1 },
      ],
    );
  });

  test('replaces an earlier replacement by the latest decision', async () => {
    const database = await current.database();
    await database.query(
      'insert into parked_commands (id, subjects, behind, position, is_redriven) ' +
        `values ('failed', '[]', '[]', 1, 0)`,
    );
    const ids = async () =>
      (await database.query<{ id: string }>('select id from parked_commands')).map(({ id }) => id);
    const replace = (by: string) =>
      releaseParked(database, {
        redriven: ['failed'],
        discarded: [],
        replaced: { identity: 'failed', by },
      });
    for (const by of ['failed/edited-1-a', 'failed/edited-1-a', 'failed/edited-1-b']) {
      expect(await replace(by)).toBe(true);
      expect(await ids()).toEqual([by]);
    }
    await releaseParked(database, { redriven: ['another'], discarded: [], replaced: null });
    expect(await ids()).toEqual(['failed/edited-1-b']);
    await releaseParked(database, { redriven: ['failed'], discarded: [], replaced: null });
    expect(await ids()).toEqual(['failed']);
  });
});
