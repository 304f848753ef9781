// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import { recoveryAdvice } from '../../../src/replay/recovery-advice.ts';

describe('The advice when the database is older than the topics', () => {
  let database: Database;

  beforeEach(async () => {
    database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
  });

  afterEach(() => database.close());

  it.each([
    ['sqlite:///./cosmicpython.db', 'sqlite:///./cosmicpython.db'],
    ["sqlite:////tmp/my file's.db", `'sqlite:////tmp/my file'\\''s.db'`],
    [
      'postgresql://user@host:5432/name?sslmode=require',
      `'postgresql://user@host:5432/name?sslmode=require'`,
    ],
    ['postgresql://user:secret@host:5432/name', '"$DATABASE_URL"'],
  ])('is a command without password for %s', async (databaseUrl, shown) => {
    const settings = { databaseUrl, databaseUrlFile: null };
    expect(await recoveryAdvice(database, settings)).toContain(
      `npx allocation replay rebuild --into ${shown}   (or`,
    );
  });

  it('takes a URL with a password from the file that has it', async () => {
    const settings = {
      databaseUrl: 'postgresql://user:secret@host:5432/name',
      databaseUrlFile: "/run/the secret's",
    };
    expect(await recoveryAdvice(database, settings)).toContain(
      `--into "$(cat '/run/the secret'\\''s')"   (or`,
    );
  });

  it('adds --from-copy when the database holds something', async () => {
    await database.query(`insert into products (sku, version) values ('LAMP', 1)`);
    const settings = { databaseUrl: 'sqlite:///./a.db', databaseUrlFile: null };
    expect(await recoveryAdvice(database, settings)).toContain(
      '--into sqlite:///./a.db --from-copy   (or',
    );
  });

  it('is AUTO_RECOVER for a database in memory, which no other process sees', async () => {
    const settings = { databaseUrl: 'sqlite:///:memory:', databaseUrlFile: null };
    expect(await recoveryAdvice(database, settings)).toBe(
      'start the service with AUTO_RECOVER=true, and it rebuilds the database by itself',
    );
  });
});
