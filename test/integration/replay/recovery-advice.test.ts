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
  ])('is a command without password for %s', async (url, shown) => {
    expect(await recoveryAdvice(database, url)).toContain(
      `npx allocation replay rebuild --into ${shown}   (or`,
    );
  });

  it('adds --from-copy when the database holds something', async () => {
    await database.query(`insert into products (sku, version) values ('LAMP', 1)`);
    expect(await recoveryAdvice(database, 'sqlite:///./a.db')).toContain(
      '--into sqlite:///./a.db --from-copy   (or',
    );
  });

  it('is AUTO_RECOVER for a database in memory, which no other process sees', async () => {
    expect(await recoveryAdvice(database, 'sqlite:///:memory:')).toBe(
      'start the service with AUTO_RECOVER=true, and it rebuilds the database by itself',
    );
  });
});
