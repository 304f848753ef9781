import { expect, test } from 'vitest';
import { releaseParked } from '../../../src/adapters/database/parked-commands.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

describeOnEachDatabase('Releasing parked commands', (current) => {
  const release = async () => releaseParked(await current.database(), { redriven: ['sent'], discarded: [], replaced: null });

  test('says whether the database knows any of them, also one that was answered since', async () => {
    const database = await current.database();
    expect(await release()).toBe(false);
    await database.query(`insert into processed_commands (id) values ('sent')`);
    expect(await release()).toBe(true);
    await database.query('delete from processed_commands');
    await database.query(
      `insert into parked_commands (id, subjects, behind, position, is_redriven) values ('sent', '[]', '[]', 1, 0), ('other', '[]', '[]', 2, 0)`,
    );
    expect(await release()).toBe(true);
    expect(await database.query('select id, is_redriven from parked_commands order by id')).toEqual([
      { id: 'other', is_redriven: 0 },
      { id: 'sent', is_redriven: 1 },
    ]);
  });

  test('takes back a replacement that was decided before, in favour of what is decided now', async () => {
    const database = await current.database();
    await database.query(`insert into parked_commands (id, subjects, behind, position, is_redriven) values ('failed', '[]', '[]', 1, 0)`);
    const ids = async () => (await database.query<{ id: string }>('select id from parked_commands')).map(({ id }) => id);
    const replace = (by: string) => releaseParked(database, { redriven: ['failed'], discarded: [], replaced: { identity: 'failed', by } });
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
