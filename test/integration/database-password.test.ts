// @module-tag db

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { readConfig } from '../../src/config.ts';
import { runCli } from '../support/cli.ts';
import { RefusingPostgres, SECRET } from '../support/refusing-postgres.ts';

// Each test of a command starts several processes, and the machine may be busy.
vi.setConfig({ testTimeout: 120_000 });

const NOWHERE = '127.0.0.1:1';

describe('The error about a database url hides the password when the url', () => {
  it.each([
    ['has an unknown scheme', `postgre://user:${SECRET}@${NOWHERE}/name`],
    ['has no scheme', `user:${SECRET}@${NOWHERE}/name`],
    ['has neither a scheme nor a user', `${SECRET}@${NOWHERE}/name`],
    ['has one slash too few', `postgresql:/user:${SECRET}@${NOWHERE}/name`],
    ['has a port that is no number', `postgresql://user:${SECRET}@localhost:port/name`],
    ['has a port that is too large', `postgresql://user:${SECRET}@localhost:99999/name`],
    ['has no host', `postgresql://user:${SECRET}@/name`],
    ['has no database', `postgresql://user:${SECRET}@${NOWHERE}`],
    ['has an unknown option', `postgresql://user:${SECRET}@${NOWHERE}/name?unknown=1`],
    ['has an unknown sslmode', `postgresql://user:${SECRET}@${NOWHERE}/name?sslmode=${SECRET}`],
    [
      'has a slash behind a number in the password',
      `postgresql://user:12/${SECRET}@${NOWHERE}/name`,
    ],
    ['has a question mark in the password', `postgresql://user:12?${SECRET}@${NOWHERE}/name`],
    [
      'has a slash and a question mark in the password',
      `postgresql://user:12/a?${SECRET}@${NOWHERE}/name`,
    ],
    ['has a number sign in the password', `postgresql://user:12/a#${SECRET}@${NOWHERE}/name`],
    ['has its password in the fragment', `postgresql://user@${NOWHERE}/name#${SECRET}`],
    ['has a password without a host', `postgresql://user:12/${SECRET}@`],
    ['has an encoded colon before the password', `postgresql://user%3A${SECRET}@${NOWHERE}/name`],
    ['has its password as a parameter', `postgresql://user@${NOWHERE}/name?password=${SECRET}`],
    ['has a parameter named like the password', `postgresql://user@${NOWHERE}/name?${SECRET}`],
    ['is one of SQLite by mistake', `sqlite:///postgresql://user:${SECRET}@${NOWHERE}/name`],
    ['has a space in the password', `postgresql://user:a ${SECRET}@${NOWHERE}/name`],
    ['has a line break in the password', `postgresql://user:a\n${SECRET}@${NOWHERE}/name`],
    ['is quoted', `"postgresql://user:${SECRET}@${NOWHERE}/name"`],
    ['begins with a space', ` postgresql://user:${SECRET}@${NOWHERE}/name`],
    ['has a stray % in the password', `postgresql://user:%zz${SECRET}@${NOWHERE}/name`],
    ['names a server that does not run', `postgresql://user:${SECRET}@${NOWHERE}/name`],
    ['names an unknown host', `postgresql://user:${SECRET}@no-such-host.invalid/name`],
  ])('%s', async (_, url) => {
    for (const open of [
      () => Database.open(url),
      async () => Database.open(readConfig({ DATABASE_URL: url }).databaseUrl),
    ]) {
      const error = await open().catch((error) => error);
      expect(error.message).toMatch(/DATABASE_URL|PostgreSQL url|database url/);
      expect(error.message).not.toContain(SECRET);
    }
  });
});

describe('No command prints a password', () => {
  let postgres: RefusingPostgres;
  beforeAll(async () => {
    postgres = await RefusingPostgres.open();
  }, 120_000);
  afterAll(() => postgres[Symbol.asyncDispose]());

  describe.each([
    ['start'],
    ['migrate'],
    ['publish', 'AllocateOrder', 'orderid=order-1', 'sku=LAMP', 'qty=1'],
    ['show', 'order', 'order-1'],
    ['replay', 'verify'],
  ])('%s', (...args) => {
    const run = (url: string) =>
      runCli({ DATABASE_URL: url, HTTP_PORT: '0' }, postgres.directory, args.filter(Boolean));

    it('when the scheme of the url is mistyped', async () => {
      const { code, stdout, stderr } = await run(`postgre://user:${SECRET}@${NOWHERE}/name`);
      expect({ code, stdout, stderr }).toEqual({
        code: 1,
        stdout: '',
        stderr: expect.stringContaining('DATABASE_URL'),
      });
      expect(stderr).not.toContain(SECRET);
    });

    // A service waits for a database that refuses it.
    it.skipIf(args[0] === 'start')('when the url has the wrong password', async () => {
      const { stdout, stderr } = await run(postgres.url);
      // "publish" needs the log alone.
      if (args[0] !== 'publish')
        expect(stderr).toContain('Cannot use the PostgreSQL database name');
      expect(stdout + stderr).not.toContain(SECRET);
    });
  });

  it('start, when the url has the wrong password', async () => {
    expect(await postgres.outputOfService()).not.toContain(SECRET);
  });

  it('when the password stands in KAFKA_BROKERS', async () => {
    const environment = { KAFKA_BROKERS: `user:${SECRET}@host:9092` };
    const { code, stdout, stderr } = await runCli(environment, postgres.directory, ['lag']);
    expect({ code, stdout, stderr }).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('KAFKA_BROKERS is not valid'),
    });
    expect(stderr).not.toContain(SECRET);
  });

  it('when the password stands in an unknown option without a scheme', async () => {
    const { code, stdout, stderr } = await runCli({}, postgres.directory, [
      'lag',
      `--brokers=user:${SECRET}@host:9092`,
    ]);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining("unknown option '--brokers"),
    });
    expect(stderr).not.toContain(SECRET);
  });

  it('when the password stands in a mistyped option', async () => {
    const args = ['replay', 'verify', `--databas=postgresql://user:${SECRET}@${NOWHERE}/name`];
    const { code, stdout, stderr } = await runCli({}, postgres.directory, args);
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining("unknown option '--databas"),
    });
    expect(stderr).not.toContain(SECRET);
  });
});
