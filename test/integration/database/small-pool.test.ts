// @module-tag db

import { describe, expect, inject, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { inTurn } from '../../../src/adapters/database/replay/rebuild-turn.ts';
import { postgresDatabase } from '../../support/databases.ts';

describe.skipIf(inject('postgresUrl') === null)('A pool of two connections to PostgreSQL', () => {
  it('is enough for a rebuild in turn, which checks the migrations of its target', async () => {
    const place = await postgresDatabase();
    const database = await Database.open(place.url, { poolSize: 2, timeoutMs: 3_000 });
    try {
      await database.runMigrations();
      const { signal } = new AbortController();
      const rebuilt = await inTurn(database, signal, async () => [
        await database.runMigrations(),
        await database.transaction((sql) => sql('select 1 as one')),
      ]);
      expect(rebuilt).toEqual([[], [{ one: 1 }]]);
    } finally {
      await database.close();
      await place.remove();
    }
  });
});
