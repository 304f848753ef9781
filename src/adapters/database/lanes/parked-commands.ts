import { formerIdentity, type Identity, idOf, isFormer } from '../../../domain/identity.ts';
import type {
  IdentifiedCommand,
  ParkedChanges,
  ParkedCommand,
  ParkedSnapshot,
} from '../../../service-layer/parked-command.ts';
import { PARKED_LOCK } from '../advisory-lock.ts';
import type { Dialect } from '../connection/database-url.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';
import { type ParkedKey, ParkedSearch } from './parked-search.ts';
import { unclaim } from './processed-commands.ts';

/*
 * The rows of `parked_commands`, as lane transactions read and write them.
 *
 * The command's id and its identity tell the rows apart. A former release leaves the identity
 * empty, and its row stands for every command with that id. Each index has one text column, because
 * PostgreSQL allows 2,704 bytes per index row and a name has up to 1,020.
 *
 * `parked_subjects` finds the rows by their subjects. Triggers maintain it.
 *
 * PostgreSQL has several writers. One transaction may read a failed command while another one
 * answers it. The first would then park its commands behind nothing. So transactions to which a
 * parked command matters take turns. Each takes an advisory lock before it locks any product, and
 * holds the lock until its end. Most transactions find no parked command that matters, and take no
 * lock. A command that is parked while a transaction without the lock works counts as later.
 */

interface Row extends ParkedKey {
  readonly subjects: string;
  readonly behind: string;
  readonly position: number;
  readonly is_redriven: number;
}

const KEY = { id: 'text', identity: 'text' } as const;
const COLUMNS = {
  ...KEY,
  subjects: 'text',
  behind: 'text',
  position: 'bigint',
  is_redriven: 'bigint',
} as const;
const NAMES = Object.keys(COLUMNS).join(', ');

const NOTHING_PARKED: ParkedSnapshot = { commands: [], lastPosition: 0, notRedriven: 0 };

/**
 * Reads the parked commands that matter to the commands, and the failed commands that those wait
 * for. A transaction that finds some keeps others from changing parked commands until its end.
 * @param willPark whether the transaction parks a command in any case
 */
export async function readParked(
  sql: Sql,
  dialect: Dialect,
  commands: readonly IdentifiedCommand[],
  willPark: boolean,
): Promise<ParkedSnapshot> {
  if (!willPark && !(await isAnyParked(sql))) return NOTHING_PARKED;
  const search = new ParkedSearch(dialect, commands);
  if (!willPark && !(await search.hasMatch(sql))) return NOTHING_PARKED;
  await lockParked(sql, dialect);
  const matches = await readByKey(sql, dialect, await search.find(sql));
  const known = new Set(matches.map(({ id }) => id));
  const failed = new Set(matches.flatMap(({ behind }) => behind).filter((id) => !known.has(id)));
  const failedKeys = [...failed].map(keyOf).map(([id, identity]) => ({ id, identity }));
  const [more, all] = await Promise.all([readByKey(sql, dialect, failedKeys), measure(sql)]);
  return {
    commands: [...matches, ...more].toSorted((one, other) => one.position - other.position),
    ...all,
  };
}

/** Keeps other transactions from parking, answering or releasing commands until this one ends. */
export async function lockParked(sql: Sql, dialect: Dialect): Promise<void> {
  // SQLite has one writer, which holds the whole database.
  if (dialect === 'postgresql') await sql(`select pg_advisory_xact_lock(${PARKED_LOCK})`);
}

async function isAnyParked(sql: Sql): Promise<boolean> {
  return (await sql('select 1 as found from parked_commands limit 1')).length > 0;
}

async function measure(sql: Sql): Promise<Omit<ParkedSnapshot, 'commands'>> {
  const [row] = await sql<{ last: number | null; not_redriven: number }>(
    `select max(position) as last,
       (select count(*) from parked_commands where is_redriven = 0) as not_redriven
     from parked_commands`,
  );
  return { lastPosition: row?.last ?? 0, notRedriven: row?.not_redriven ?? 0 };
}

async function readByKey(
  sql: Sql,
  dialect: Dialect,
  keys: readonly ParkedKey[],
): Promise<readonly ParkedCommand[]> {
  if (keys.length === 0) return [];
  const wanted = `select id, identity from ${jsonRows(dialect, KEY)} as wanted`;
  const rows = await sql<Row>(
    `select ${NAMES} from parked_commands where (id, identity) in (${wanted})`,
    [JSON.stringify(keys.map(({ id, identity }) => [id, identity]))],
  );
  return rows.map(toParkedCommand);
}

function toParkedCommand({
  id,
  identity,
  subjects,
  behind,
  position,
  is_redriven,
}: Row): ParkedCommand {
  const isRedriven = is_redriven === 1;
  return {
    id: identity || formerIdentity(id),
    subjects: JSON.parse(subjects),
    behind: JSON.parse(behind),
    position,
    isRedriven,
  };
}

/** Writes what one transaction changes about the parked commands. */
export async function writeParked(
  sql: Sql,
  dialect: Dialect,
  { parked, gone, unanswered }: ParkedChanges,
): Promise<void> {
  const added = parked.map((each) => ({ ...each, isRedriven: false }));
  await Promise.all([
    deleteParked(sql, dialect, [...gone, ...parked.map(({ id }) => id)]),
    unclaim(sql, dialect, unanswered),
    insertParked(sql, dialect, added),
  ]);
}

/** Replaces all parked commands. */
export async function replaceParked(
  sql: Sql,
  dialect: Dialect,
  parked: readonly ParkedCommand[],
): Promise<void> {
  await sql('delete from parked_commands');
  await insertParked(sql, dialect, parked);
}

async function insertParked(
  sql: Sql,
  dialect: Dialect,
  parked: readonly ParkedCommand[],
): Promise<void> {
  const rows = parked.map(({ id, subjects, behind, position, isRedriven }) => {
    return [
      ...keyOf(id),
      JSON.stringify(subjects),
      JSON.stringify(behind),
      position,
      Number(isRedriven),
    ];
  });
  await sql(
    `insert into parked_commands (${NAMES})
     select ${NAMES} from ${jsonRows(dialect, COLUMNS)} as parked`,
    [JSON.stringify(rows)],
  );
}

async function deleteParked(sql: Sql, dialect: Dialect, gone: readonly Identity[]): Promise<void> {
  const keys = `select id, identity from ${jsonRows(dialect, KEY)} as those`;
  await sql(`delete from parked_commands where (id, identity) in (${keys})`, [
    JSON.stringify(gone.map(keyOf)),
  ]);
}

/** Returns the key of the command's row. */
export function keyOf(identity: Identity): readonly [id: string, identity: string] {
  return [idOf(identity), isFormer(identity) ? '' : identity];
}
