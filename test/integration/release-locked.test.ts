// @module-tag db

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { releaseInDatabase } from '../../src/cli/dead-letters/release.ts';
import { readConfig } from '../../src/config.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';

/** Longer than a lane of the service waits for the lock. */
const LOCKED_MS = 2_000;
const NOTHING = { redriven: [], discarded: [], replaced: null };

describe('dead-letters redrive and discard on a SQLite file that another process has locked', () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    file = join(directory, 'allocation.db');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('tell the database their decision once the lock is free', async () => {
    const config = readConfig({ DATABASE_URL: `sqlite:///${file}` });
    const migrated = await Database.open(config.databaseUrl);
    await migrated.runMigrations();
    await migrated.close();
    // With the embedded log, the database stays open: the lock meets the transaction, not the opening.
    await releaseInDatabase(config, NOTHING);
    const unlock = await lockFromAnotherProcess(file);
    const releasing = releaseInDatabase(config, NOTHING);
    await Promise.all([expect(releasing).resolves.toBeUndefined(), sleep(LOCKED_MS).then(unlock)]);
    await (await Database.open(config.databaseUrl)).close();
  }, 120_000);
});
