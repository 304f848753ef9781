import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, inject } from 'vitest';
import { asLongWork } from '../../src/adapters/database/connection/long-work.ts';
import { Database } from '../../src/adapters/database/database.ts';

/** A database for one test. It is empty until the test or `database()` migrates it. */
export interface TestDatabase {
  readonly dialect: 'sqlite' | 'postgresql';
  readonly url: string;
  /** Returns the migrated database, the same one on every call. */
  database(): Promise<Database>;
}

interface Place {
  readonly url: string;
  remove(): Promise<void>;
}

let nextName = 0;
let serverIsFree: Promise<void> = Promise.resolve();

/**
 * Declares the tests twice, for SQLite in a file and for PostgreSQL. Each test finds a fresh
 * database.
 */
export function describeOnEachDatabase(name: string, tests: (current: TestDatabase) => void): void {
  declare(`${name}, on SQLite`, 'sqlite', sqliteFile, tests);
  describe.skipIf(inject('postgresUrl') === null)('where there is PostgreSQL', () => {
    declare(`${name}, on PostgreSQL`, 'postgresql', postgresDatabase, tests);
  });
}

function declare(
  name: string,
  dialect: TestDatabase['dialect'],
  create: () => Promise<Place>,
  tests: (current: TestDatabase) => void,
): void {
  describe(name, () => {
    let place: Place;
    let opened: Promise<Database> | undefined;
    beforeEach(async () => {
      place = await create();
    });
    afterEach(async () => {
      await (await Database.open(place.url).catch(() => null))?.close();
      opened = undefined;
      await place.remove();
    });
    tests({
      dialect,
      get url() {
        return place.url;
      },
      database() {
        opened ??= openMigrated(place.url);
        return opened;
      },
    });
  });
}

async function openMigrated(url: string): Promise<Database> {
  const database = await Database.open(url);
  await database.runMigrations();
  return database;
}

async function sqliteFile(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'allocation-sqlite-'));
  return {
    url: `sqlite:///${join(folder, 'test.db')}`,
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Creates a database on the server that the test run has started. */
export async function postgresDatabase(): Promise<Place> {
  const server = inject('postgresUrl');
  if (server === null) throw new Error('This test run has no PostgreSQL');
  const name = `test_${process.pid}_${Date.now()}_${nextName++}`;
  await onServer(server, `create database ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return { url: url.href, remove: () => onServer(server, `drop database ${name} with (force)`) };
}

/**
 * Runs one statement after another. A process has one connection object for a url, and closing it
 * closes it for all.
 */
export function onServer(url: string, statement: string): Promise<void> {
  const result = serverIsFree.then(async () => {
    const database = await Database.open(url);
    try {
      // A busy server takes long to create a database.
      await asLongWork(() => database.query(statement));
    } finally {
      await database.close();
    }
  });
  serverIsFree = result.catch(() => {});
  return result;
}
