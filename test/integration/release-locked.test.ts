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

describe('dead-letters redrive and discard while another process locks the file', () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    file = join(directory, 'allocation.db');
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('write their decision to the database once the lock is free', async () => {
    const config = readConfig({ DATABASE_URL: `sqlite:///${file}` });
    const migrated = await Database.open(config.databaseUrl);
    await migrated.runMigrations();
    await migrated.close();
    // The embedded log keeps the database open, so that the lock meets the transaction alone.
    await releaseInDatabase(config, NOTHING);
    const unlock = await lockFromAnotherProcess(file);
    const releasing = releaseInDatabase(config, NOTHING);
    await Promise.all([expect(releasing).resolves.toBeUndefined(), sleep(LOCKED_MS).then(unlock)]);
    await (await Database.open(config.databaseUrl)).close();
  }, 120_000);
});
