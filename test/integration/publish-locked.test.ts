// @module-tag db
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CliResult, runCli } from '../support/cli.ts';
import { lockFromAnotherProcess } from '../support/lock.ts';

/**
 * Longer than a lane of the service waits for the lock. On a slow machine, the lock may be free
 * before the command needs it.
 */
const LOCKED_MS = 5_000;

describe('publish to an embedded log whose file another process has locked', () => {
  let directory: string;
  let file: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    file = join(directory, 'allocation.db');
    expect(await run(['migrate'])).toMatchObject({ code: 0 });
  }, 180_000);
  afterEach(() => rm(directory, { recursive: true, force: true }));

  const run = (args: readonly string[]): Promise<CliResult> =>
    runCli({ DATABASE_URL: `sqlite:///${file}` }, directory, args);
  const publish = () => run(['publish', 'AllocateOrder', 'orderid=order-1', 'sku=LAMP', 'qty=1']);

  it('waits until the lock is free', async () => {
    const unlock = await lockFromAnotherProcess(file);
    const publishing = publish();
    await sleep(LOCKED_MS);
    await unlock();
    expect(await publishing).toMatchObject({ code: 0, stderr: '' });
  }, 180_000);

  it('fails in the end, and says that the file is locked', async () => {
    const unlock = await lockFromAnotherProcess(file);
    const { code, stderr } = await publish();
    await unlock();
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: expect.stringContaining('Another process keeps the file locked'),
    });
  }, 180_000);
});
