import { access, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describeUrl, dialectOf, sqliteFile } from '../adapters/database/connection/options.ts';
import { Database } from '../adapters/database/database.ts';
import {
  copyDatabase,
  copySqliteFile,
  countRows,
} from '../adapters/database/replay/copy-database.ts';
import {
  isEmpty,
  isUsedByOthers,
  readMark,
  readPositions,
  refuseMarked,
  writeSeen,
} from '../adapters/database/replay/rebuild-target.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { PartitionOffset } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';
import type { Watch } from './rebuild.ts';

/** The events topic, of which a database knows everything below these offsets. */
export interface EventsSeen {
  readonly seen: readonly PartitionOffset[];
  readonly eventsLogId: string;
}

export interface SnapshotPlan extends EventsSeen {
  readonly into: string;
  readonly rows: number;
  /** Of the lanes, just now. */
  readonly positions: readonly PartitionOffset[];
}

/**
 * Where the events topic ends. Whatever lies below was committed to the database before: a copy that is begun later has it.
 * @throws {TroubleError} the log cannot be reached
 */
export async function readEventsSeen(broker: Broker, topic: string): Promise<EventsSeen> {
  const [eventsLogId, ranges] = await Promise.all([
    broker.logId(topic),
    broker.offsetRanges(topic),
  ]);
  return {
    eventsLogId,
    seen: ranges.map(({ partition, end: nextOffset }) => ({ topic, partition, nextOffset })),
  };
}

/**
 * Looks whether there can be a snapshot, and copies nothing.
 * @throws {ReplayRefusedError} @throws {MarkedDatabaseError}
 */
export async function planSnapshot(
  source: Database,
  events: EventsSeen,
  commandsTopic: string,
  into: string,
): Promise<SnapshotPlan> {
  await refuseMarked(source, { goesOn: false });
  await (dialectOf(into) === 'sqlite' ? refuseOldFile(into) : refuseUsed(into));
  return {
    ...events,
    into,
    rows: await countRows(source),
    positions: await readPositions(source, commandsTopic),
  };
}

async function refuseOldFile(url: string): Promise<void> {
  const file = sqliteFile(url);
  if (file === ':memory:')
    throw new ReplayRefusedError('A snapshot in memory would be gone at once: name a file');
  if (await isThere(file))
    throw new ReplayRefusedError(`${file} is there already: name a new file`);
  if (!(await isThere(dirname(file))))
    throw new ReplayRefusedError(`The directory ${dirname(file)} is not there`);
}

async function refuseUsed(url: string): Promise<void> {
  const target = await Database.open(url);
  try {
    await target.runMigrations();
    if ((await isEmpty(target)) && !(await readMark(target)) && !(await isUsedByOthers(target)))
      return;
  } finally {
    await target.close();
  }
  throw new ReplayRefusedError(`${describeUrl(url)} is not empty, or in use: name an empty one`);
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Copies the database, as it is at one moment, while the service runs. All of it, or nothing is there:
 * a SQLite file gets its name when it is whole; in PostgreSQL it is one transaction.
 * @throws what the signal was aborted with
 */
export async function takeSnapshot(
  source: Database,
  plan: SnapshotPlan,
  watch: Watch,
): Promise<void> {
  if (dialectOf(plan.into) === 'sqlite') return intoFile(source, plan, watch);
  if (source.dialect === 'postgresql') return copyRows(source, plan.into, plan, watch);
  // The copy of a SQLite file takes no lock; reading its tables one after the other would hold up the service.
  const directory = await mkdtemp(join(tmpdir(), 'allocation-snapshot-'));
  const copyUrl = `sqlite:///${join(directory, 'copy.db')}`;
  try {
    await copySqliteFile(source, copyUrl);
    await withOpen(copyUrl, (copy) => copyRows(copy, plan.into, plan, watch));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function intoFile(source: Database, plan: SnapshotPlan, watch: Watch): Promise<void> {
  const file = sqliteFile(plan.into);
  const unfinished = `${file}.unfinished`;
  const forget = () =>
    Promise.all(
      ['', '-wal', '-shm', '-journal'].map((more) => rm(`${unfinished}${more}`, { force: true })),
    );
  await forget(); // What one that was killed has left.
  try {
    const url = `sqlite:///${unfinished}`;
    if (source.dialect === 'postgresql') await copyRows(source, url, plan, watch);
    else {
      await copySqliteFile(source, url);
      await withOpen(url, (copy) =>
        copy.transaction((sql) => writeSeen(sql, plan.seen, plan.eventsLogId)),
      );
      await watch.advance(plan.rows);
    }
    watch.signal.throwIfAborted();
    await sync(unfinished);
    await rename(unfinished, file);
    await sync(dirname(file));
  } catch (error) {
    await forget();
    throw error;
  }
}

async function copyRows(
  source: Database,
  url: string,
  { seen, eventsLogId }: SnapshotPlan,
  { advance, signal }: Watch,
): Promise<void> {
  await withOpen(url, async (target) => {
    await target.runMigrations();
    await copyDatabase(source, target, {
      onRows: async (count) => {
        await advance(count);
        signal.throwIfAborted();
      },
      finish: (sql) => writeSeen(sql, seen, eventsLogId),
    });
  });
}

async function withOpen<T>(url: string, work: (database: Database) => Promise<T>): Promise<T> {
  const database = await Database.open(url);
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

/** Onto the disk; SQLite does not see to it for a file that it makes in one go. */
async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
