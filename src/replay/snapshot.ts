import { access, mkdtemp, open, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import {
  describeUrl,
  dialectOf,
  sqliteFile,
} from '../adapters/database/connection/database-url.ts';
import { Database } from '../adapters/database/database.ts';
import {
  copyDatabase,
  copySqliteFile,
  countRows,
} from '../adapters/database/replay/copy-database.ts';
import { readPositions, writeEventEnds } from '../adapters/database/replay/lane-positions.ts';
import { readMark, refuseMarked } from '../adapters/database/replay/rebuild-mark.ts';
import { isEmpty, isUsedByOthers } from '../adapters/database/replay/rebuild-target.ts';
import type { Broker } from '../service-layer/broker.ts';
import type { PartitionOffset } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';
import type { RunControl } from './run-control.ts';

/** How far a database knows the events topic: everything below these offsets. */
interface EventEnds {
  readonly ends: readonly PartitionOffset[];
  readonly eventsLogId: string;
}

interface SnapshotPlan extends EventEnds {
  /** The URL of the copy. */
  readonly into: string;
  readonly rows: number;
  /** The positions of the lanes now. */
  readonly positions: readonly PartitionOffset[];
}

/**
 * Reads where the events topic ends. The database has committed everything below that end, so a
 * copy that begins later contains all of it.
 * @throws {TroubleError} the log cannot be reached
 */
export async function findEventEnds(broker: Broker, topic: string): Promise<EventEnds> {
  const [eventsLogId, ranges] = await Promise.all([
    broker.logId(topic),
    broker.offsetRanges(topic),
  ]);
  return {
    eventsLogId,
    ends: ranges.map(({ partition, end: nextOffset }) => ({ topic, partition, nextOffset })),
  };
}

/**
 * Checks that a snapshot is possible. Copies nothing.
 * @throws {ReplayRefusedError} the target cannot take the copy
 * @throws {MarkedDatabaseError} the database is being rebuilt, or shows the past
 */
export async function planSnapshot(
  source: Database,
  events: EventEnds,
  commandsTopic: string,
  into: string,
): Promise<SnapshotPlan> {
  await refuseMarked(source, { goesOn: false });
  await (dialectOf(into) === 'sqlite' ? refuseUnfitFile(into) : refuseUsed(into));
  return {
    ...events,
    into,
    rows: await countRows(source),
    positions: await readPositions(source, commandsTopic),
  };
}

async function refuseUnfitFile(url: string): Promise<void> {
  const file = sqliteFile(url);
  if (file === ':memory:')
    throw new ReplayRefusedError(
      'A snapshot in memory ends with this command: name a file, as in --into sqlite:///./copy.db',
    );
  if (await exists(file)) throw new ReplayRefusedError(`The file ${file} exists: name a new file`);
  if (!(await exists(dirname(file))))
    throw new ReplayRefusedError(`The directory ${dirname(file)} does not exist: create it first`);
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
  throw new ReplayRefusedError(
    `${describeUrl(url)} is not empty, or in use: name an empty database`,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/**
 * Copies the database as it is at one moment, while the service may run. The copy is whole or does
 * not exist: a SQLite file gets its name at the end, and PostgreSQL takes the copy in one
 * transaction.
 * @throws the signal's reason
 */
export async function takeSnapshot(
  source: Database,
  plan: SnapshotPlan,
  control: RunControl,
): Promise<void> {
  if (dialectOf(plan.into) === 'sqlite') return intoFile(source, plan, control);
  if (source.dialect === 'postgresql') return copyRows(source, plan.into, plan, control);
  // Copying the file takes no lock. Reading its tables one by one would hold up the service.
  const directory = await mkdtemp(join(tmpdir(), 'allocation-snapshot-'));
  const copyUrl = `sqlite:///${join(directory, 'copy.db')}`;
  try {
    await copySqliteFile(source, copyUrl);
    await withOpen(copyUrl, (copy) => copyRows(copy, plan.into, plan, control));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function intoFile(source: Database, plan: SnapshotPlan, control: RunControl): Promise<void> {
  const file = sqliteFile(plan.into);
  const unfinished = `${file}.unfinished`;
  const removeUnfinished = () =>
    Promise.all(
      ['', '-wal', '-shm', '-journal'].map((end) => rm(`${unfinished}${end}`, { force: true })),
    );
  // A process that was killed may have left its files.
  await removeUnfinished();
  try {
    const url = `sqlite:///${unfinished}`;
    if (source.dialect === 'postgresql') await copyRows(source, url, plan, control);
    else {
      await copySqliteFile(source, url);
      await withOpen(url, (copy) =>
        copy.transaction((sql) => writeEventEnds(sql, plan.ends, plan.eventsLogId)),
      );
      await control.advance(plan.rows);
    }
    control.signal.throwIfAborted();
    await sync(unfinished);
    await rename(unfinished, file);
    await sync(dirname(file));
  } catch (error) {
    await removeUnfinished();
    throw error;
  }
}

async function copyRows(
  source: Database,
  url: string,
  { ends, eventsLogId }: SnapshotPlan,
  { advance, signal }: RunControl,
): Promise<void> {
  await withOpen(url, async (target) => {
    await target.runMigrations();
    await copyDatabase(source, target, {
      onRows: async (count) => {
        await advance(count);
        signal.throwIfAborted();
      },
      finish: (sql) => writeEventEnds(sql, ends, eventsLogId),
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

/** Writes the file to the disk: SQLite does not sync a file that it makes in one go. */
async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
