import { formerIdentity, type Identity, idOf, isFormer, parkedIdentity } from '../../domain/identity.ts';
import type { ParkedChanges, ParkedCommand } from '../../service-layer/unit-of-work.ts';
import type { Database } from './database.ts';
import { jsonRows } from './json-rows.ts';
import type { Dialect } from './options.ts';
import { isAnyAnswered, unclaim } from './processed-commands.ts';
import type { Sql } from './transaction.ts';

/*
 * A row's key is the command's id and its identity. A former release writes no identity: there it is
 * empty, and such a row is any command's with that id.
 */

interface Row {
  readonly id: string;
  readonly identity: string;
  readonly subjects: string;
  readonly behind: string;
  readonly position: number;
  readonly is_redriven: number;
}

const KEY = { id: 'text', identity: 'text' } as const;
const COLUMNS = { ...KEY, subjects: 'text', behind: 'text', position: 'bigint', is_redriven: 'bigint' } as const;

export async function readParked(sql: Sql): Promise<readonly ParkedCommand[]> {
  const rows = await sql<Row>('select id, identity, subjects, behind, position, is_redriven from parked_commands order by position');
  return rows.map(({ id, identity, subjects, behind, position, is_redriven }) => {
    const isRedriven = is_redriven === 1;
    return { id: identity || formerIdentity(id), subjects: JSON.parse(subjects), behind: JSON.parse(behind), position, isRedriven };
  });
}

export async function writeParked(sql: Sql, dialect: Dialect, { parked, gone, unanswered }: ParkedChanges): Promise<void> {
  const there = parked.map((each) => ({ ...each, isRedriven: false }));
  await Promise.all([
    deleteParked(sql, dialect, [...gone, ...parked.map(({ id }) => id)]),
    unclaim(sql, dialect, unanswered),
    insertParked(sql, dialect, there),
  ]);
}

/** In the place of all that were parked. A redriven one that this database has answered, ahead of the group, is left out. */
export async function replaceParked(sql: Sql, dialect: Dialect, parked: readonly ParkedCommand[]): Promise<void> {
  await sql('delete from parked_commands');
  const waiting: ParkedCommand[] = [];
  for (const each of parked) {
    const isAnswered = each.isRedriven && (await isAnyAnswered(sql, dialect, [each.id]));
    if (!isAnswered) waiting.push(each);
  }
  await insertParked(sql, dialect, waiting);
}

async function insertParked(sql: Sql, dialect: Dialect, parked: readonly ParkedCommand[]): Promise<void> {
  const names = Object.keys(COLUMNS).join(', ');
  const rows = parked.map(({ id, subjects, behind, position, isRedriven }) => {
    return [...keyOf(id), JSON.stringify(subjects), JSON.stringify(behind), position, Number(isRedriven)];
  });
  await sql(`insert into parked_commands (${names}) select ${names} from ${jsonRows(dialect, COLUMNS)} as parked`, [JSON.stringify(rows)]);
}

async function deleteParked(sql: Sql, dialect: Dialect, gone: readonly Identity[]): Promise<void> {
  const those = `select id, identity from ${jsonRows(dialect, KEY)} as those`;
  await sql(`delete from parked_commands where (id, identity) in (${those})`, [JSON.stringify(gone.map(keyOf))]);
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
export async function releaseParked(database: Database, { redriven, discarded, replaced }: Release): Promise<boolean> {
  return database.transaction(async (sql) => {
    let known = 0;
    const named = [...redriven, ...discarded];
    await takeBackReplacements(sql, named);
    for (const identity of discarded) known += await onParked(sql, identity, 'delete from parked_commands');
    for (const identity of redriven) known += await onParked(sql, identity, 'update parked_commands set is_redriven = 1');
    if (replaced) {
      const replace = 'update parked_commands set id = ?, identity = ?, replaces = ?';
      known += await onParked(sql, replaced.identity, replace, [...keyOf(replaced.by), parkedIdentity(replaced.identity)]);
    }
    return known > 0 || (await isAnyAnswered(sql, database.dialect, named));
  });
}

/** Runs the statement on the command's row; where there is none, on the one that a former release has written. */
async function onParked(sql: Sql, identity: Identity, statement: string, values: readonly string[] = []): Promise<number> {
  const on = (key: Identity) => sql.run(`${statement} where id = ? and identity = ?`, [...values, ...keyOf(key)]);
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
    await sql(`update parked_commands set id = ?, identity = ?, replaces = null where id = ? and identity = ? and ${free}`, [
      ...original,
      id,
      identity,
      ...original,
    ]);
  }
}
