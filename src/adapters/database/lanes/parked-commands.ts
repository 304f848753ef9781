import {
  formerIdentity,
  type Identity,
  idOf,
  isFormer,
  parkedIdentity,
} from '../../../domain/identity.ts';
import { SKU, subjectsNamedBy } from '../../../domain/subjects.ts';
import type {
  IdentifiedCommand,
  Parked,
  ParkedChanges,
  ParkedCommand,
} from '../../../service-layer/parked-command.ts';
import { PARKED_LOCK } from '../advisory-lock.ts';
import type { Dialect } from '../connection/options.ts';
import type { Database } from '../database.ts';
import { jsonRows } from '../json-rows.ts';
import { repeating } from '../repeating.ts';
import type { Sql } from '../transaction.ts';
import { isAnyAnswered, unclaim } from './processed-commands.ts';

/*
 * The command's id and its identity tell the rows apart. A former release writes no identity: there
 * it is empty, and such a row is any command's with that id. Each index has one text: PostgreSQL
 * takes no more than 2,704 bytes in one, and a name has up to 1,020.
 *
 * `parked_subjects` finds the rows by their subjects. Triggers keep it.
 *
 * PostgreSQL has several writers. A transaction that would read of a failed command which another one
 * answers just then would park its own commands behind nothing. So transactions to which something
 * parked matters take turns, by an advisory lock that each holds until its end. They take it before
 * they lock any product. Most transactions find nothing that matters, and do not take it: what is
 * parked while they work stands behind what they do.
 */

interface Key {
  readonly id: string;
  readonly identity: string;
}

interface Row extends Key {
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

const NOTHING_PARKED: Parked = { commands: [], lastPosition: 0, standing: 0 };

/** @param willPark the transaction parks something in any case */
export async function readParked(
  sql: Sql,
  dialect: Dialect,
  commands: readonly IdentifiedCommand[],
  willPark: boolean,
): Promise<Parked> {
  if (!willPark && !(await isAnyParked(sql))) return NOTHING_PARKED;
  const concern = new Concern(dialect, commands);
  if (!willPark && !(await concern.isFound(sql))) return NOTHING_PARKED;
  await lockParked(sql, dialect);
  const found = await readByKey(sql, dialect, await concern.find(sql));
  const known = new Set(found.map(({ id }) => id));
  const failed = new Set(found.flatMap(({ behind }) => behind).filter((id) => !known.has(id)));
  const failedKeys = [...failed].map(keyOf).map(([id, identity]) => ({ id, identity }));
  const [more, all] = await Promise.all([readByKey(sql, dialect, failedKeys), measure(sql)]);
  return {
    commands: [...found, ...more].toSorted((one, other) => one.position - other.position),
    ...all,
  };
}

/** Until the transaction ends, no other one parks, answers or releases a parked command. */
async function lockParked(sql: Sql, dialect: Dialect): Promise<void> {
  // SQLite's one writer has the whole database.
  if (dialect === 'postgresql') await sql(`select pg_advisory_xact_lock(${PARKED_LOCK})`);
}

async function isAnyParked(sql: Sql): Promise<boolean> {
  return (await sql('select 1 as found from parked_commands limit 1')).length > 0;
}

async function measure(sql: Sql): Promise<Omit<Parked, 'commands'>> {
  const [row] = await sql<{ last: number | null; standing: number }>(
    `select max(position) as last, (select count(*) from parked_commands where is_redriven = 0) as standing from parked_commands`,
  );
  return { lastPosition: row?.last ?? 0, standing: row?.standing ?? 0 };
}

/** How many commands of all lanes are parked. */
export async function countParked(database: Database): Promise<number> {
  const [row] = await database.query<{ parked: number }>(
    'select count(*) as parked from parked_commands',
  );
  return row?.parked ?? 0;
}

async function readByKey(
  sql: Sql,
  dialect: Dialect,
  keys: readonly Key[],
): Promise<readonly ParkedCommand[]> {
  if (keys.length === 0) return [];
  const wanted = `select id, identity from ${jsonRows(dialect, KEY)} as wanted`;
  const rows = await sql<Row>(
    `select ${NAMES} from parked_commands where (id, identity) in (${wanted})`,
    [JSON.stringify(keys.map(({ id, identity }) => [id, identity]))],
  );
  return rows.map(parkedIn);
}

function parkedIn({ id, identity, subjects, behind, position, is_redriven }: Row): ParkedCommand {
  const isRedriven = is_redriven === 1;
  return {
    id: identity || formerIdentity(id),
    subjects: JSON.parse(subjects),
    behind: JSON.parse(behind),
    position,
    isRedriven,
  };
}

/**
 * Finds the parked commands that matter to some commands: their own rows, those about the same
 * subjects, and those about products of parked commands that name the same batch or order.
 */
class Concern {
  readonly #keys: string;
  readonly #parameters: readonly string[];

  constructor(dialect: Dialect, commands: readonly IdentifiedCommand[]) {
    const subjects = new Set<string>();
    const references = new Set<string>();
    const orderids = new Set<string>();
    for (const { command } of commands) {
      for (const subject of subjectsNamedBy(command)) subjects.add(subject);
      if (command.type === 'ChangeBatchQuantity') references.add(command.reference);
      if (command.type === 'DeallocateOrder' && command.sku === null) orderids.add(command.orderid);
    }
    const ids = new Set(commands.map(({ identity }) => idOf(identity)));
    this.#parameters = [subjects, references, orderids, ids].map((names) =>
      JSON.stringify([...names].map((name) => [name])),
    );
    this.#keys = keysOfConcern(jsonRows(dialect, { name: 'text' }));
  }

  async isFound(sql: Sql): Promise<boolean> {
    return (
      (await sql(`${this.#keys} select 1 as found from keys limit 1`, this.#parameters)).length > 0
    );
  }

  /** Their rows are another statement: in this one, PostgreSQL would read the whole table for them. */
  find(sql: Sql): Promise<readonly Key[]> {
    return sql<Key>(`${this.#keys} select id, identity from keys`, this.#parameters);
  }
}

/**
 * SQLite joins in the order of the words `cross join`: else it would read all of `parked_subjects`.
 * @param rows a table of one parameter, with the column `name`
 */
function keysOfConcern(rows: string): string {
  return `
    with own (subject) as (
      select name from ${rows} as named
      union select '${SKU}' || batches.sku from ${rows} as named join batches on batches.reference = named.name
      union select '${SKU}' || order_lines.sku from ${rows} as named join order_lines on order_lines.orderid = named.name),
    wanted (subject) as (
      select subject from own
      union select products.subject from own
        cross join parked_subjects as names cross join parked_subjects as products
        where names.subject = own.subject and names.subject not like '${SKU}%'
          and products.id = names.id and products.identity = names.identity and products.subject like '${SKU}%'),
    keys (id, identity) as (
      select parked_subjects.id, parked_subjects.identity from wanted
        cross join parked_subjects where parked_subjects.subject = wanted.subject
      union select parked_commands.id, parked_commands.identity from ${rows} as named
        join parked_commands on parked_commands.id = named.name)`;
}

export async function writeParked(
  sql: Sql,
  dialect: Dialect,
  { parked, gone, unanswered }: ParkedChanges,
): Promise<void> {
  const there = parked.map((each) => ({ ...each, isRedriven: false }));
  await Promise.all([
    deleteParked(sql, dialect, [...gone, ...parked.map(({ id }) => id)]),
    unclaim(sql, dialect, unanswered),
    insertParked(sql, dialect, there),
  ]);
}

/** In the place of all that were parked. */
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
    `insert into parked_commands (${NAMES}) select ${NAMES} from ${jsonRows(dialect, COLUMNS)} as parked`,
    [JSON.stringify(rows)],
  );
}

async function deleteParked(sql: Sql, dialect: Dialect, gone: readonly Identity[]): Promise<void> {
  const those = `select id, identity from ${jsonRows(dialect, KEY)} as those`;
  await sql(`delete from parked_commands where (id, identity) in (${those})`, [
    JSON.stringify(gone.map(keyOf)),
  ]);
}

function keyOf(identity: Identity): readonly [id: string, identity: string] {
  return [idOf(identity), isFormer(identity) ? '' : identity];
}

/** An operator's decision about parked commands, before it is carried out on the topics. Made twice, it is the same. */
export interface Release {
  /** Will be sent again: there is room for others meanwhile. */
  readonly redriven: readonly Identity[];
  /** Will never be: what waits for them may follow. */
  readonly discarded: readonly Identity[];
  /** Will be sent again as another command, which takes over the place. */
  readonly replaced: { readonly identity: Identity; readonly by: Identity } | null;
}

/** @returns whether it knew any of them, as parked or, since, as answered */
export async function releaseParked(database: Database, release: Release): Promise<boolean> {
  return repeating(() => database.transaction((sql) => releaseIn(sql, database.dialect, release)));
}

async function releaseIn(
  sql: Sql,
  dialect: Dialect,
  { redriven, discarded, replaced }: Release,
): Promise<boolean> {
  await lockParked(sql, dialect);
  let known = 0;
  const named = [...redriven, ...discarded];
  await takeBackReplacements(sql, named);
  for (const identity of discarded)
    known += await onParked(sql, identity, 'delete from parked_commands');
  for (const identity of redriven)
    known += await onParked(sql, identity, 'update parked_commands set is_redriven = 1');
  if (replaced) {
    const replace = 'update parked_commands set id = ?, identity = ?, replaces = ?';
    known += await onParked(sql, replaced.identity, replace, [
      ...keyOf(replaced.by),
      parkedIdentity(replaced.identity),
    ]);
  }
  return known > 0 || (await isAnyAnswered(sql, dialect, named));
}

/** Runs the statement on the command's row. Without one, it runs on the row of a former release. */
async function onParked(
  sql: Sql,
  identity: Identity,
  statement: string,
  values: readonly string[] = [],
): Promise<number> {
  const on = (key: Identity) =>
    sql.run(`${statement} where id = ? and identity = ?`, [...values, ...keyOf(key)]);
  const id = parkedIdentity(identity);
  return (await on(id)) || on(formerIdentity(idOf(id)));
}

/** One that was decided before a crash, and may never be sent, must not keep the place: there would be no letter of it to redrive. */
async function takeBackReplacements(sql: Sql, named: readonly Identity[]): Promise<void> {
  const replacements = await sql<{ id: string; identity: string; replaces: string }>(
    'select id, identity, replaces from parked_commands where is_redriven = 1 and replaces is not null',
  );
  const isNamed = new Set(named.map(parkedIdentity));
  for (const { id, identity, replaces } of replacements) {
    if (isNamed.has(identity) || !isNamed.has(replaces)) continue;
    const free = 'not exists (select 1 from parked_commands where id = ? and identity = ?)';
    const original = keyOf(replaces);
    await sql(
      `update parked_commands set id = ?, identity = ?, replaces = null where id = ? and identity = ? and ${free}`,
      [...original, id, identity, ...original],
    );
  }
}
