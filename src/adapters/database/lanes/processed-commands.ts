import {
  hasDigest,
  type Identity,
  idOf,
  isFormer,
  sourceOf,
  withoutDigest,
} from '../../../domain/identity.ts';
import type { Dialect } from '../connection/database-url.ts';
import { jsonRows } from '../json-rows.ts';
import type { Sql } from '../transaction.ts';

/*
 * `processed_commands` records which commands are answered. The scope gives a row its meaning:
 *
 * | scope | the row's `id` | written by |
 * | --- | --- | --- |
 * | 0 | an id: every command with that id is answered, from any source | a former release |
 * | 1 | an identity: that command is answered | this release |
 * | 2 | an id: some command with that id is answered; only former releases read it | this release |
 *
 * So instances of both releases can work side by side, and after `migration:down` the former
 * release still knows which commands are answered. A plain JSON command with an id needs one row,
 * because its id and its identity are the same.
 *
 * If two rows have one id, the row with the lower scope stays, because it says more.
 */
const EVERY_SOURCE = 0;
const IDENTITY = 1;
const FORMER_RELEASES = 2;

/** A row of `processed_commands`. */
type AnsweredRow = readonly [id: string, scope: number];

/**
 * Returns the rows that record these commands as answered. They are sorted, so that two lanes lock
 * them in the same order.
 */
export function rowsOf(commands: readonly Identity[]): readonly AnsweredRow[] {
  const scopes = new Map<string, number>();
  const add = (id: string, scope: number) =>
    scopes.set(id, Math.min(scope, scopes.get(id) ?? scope));
  for (const identity of commands) {
    if (isFormer(identity)) add(idOf(identity), EVERY_SOURCE);
    else add(identity, IDENTITY);
    // Without a source, one row is enough. A plain id is its own identity, and a lane passes each
    // place only once, whatever the release.
    if (sourceOf(identity) !== null) add(idOf(identity), FORMER_RELEASES);
  }
  return [...scopes.keys()].sort().map((id) => [id, scopes.get(id) as number]);
}

/**
 * Records that this transaction answers the commands.
 * @returns the commands that no transaction has answered before
 */
export async function claim(
  sql: Sql,
  dialect: Dialect,
  commands: readonly Identity[],
): Promise<ReadonlySet<Identity>> {
  if (commands.length === 0) return new Set();
  const events = commands.filter((identity) => sourceOf(identity) !== null);
  const [rows, former] = await Promise.all([
    sql<{ id: string }>(
      `insert into processed_commands (id, scope)
       select id, scope from ${jsonRows(dialect, ROW)} as claimed where true
       on conflict (id) do update set scope = ${IDENTITY}
         where processed_commands.scope = ${FORMER_RELEASES}
           and excluded.scope = ${IDENTITY}
       returning id`,
      [JSON.stringify(rowsOf(commands))],
    ),
    events.length > 0 ? readFormerAnswers(sql, dialect, events) : [],
  ]);
  const free = new Set(rows.map(({ id }) => id));
  if (events.length === 0) return free;
  const isFormerlyAnswered = new Set(former);
  return new Set(
    commands.filter((identity) => free.has(identity) && !isFormerlyAnswered.has(idOf(identity))),
  );
}

/** Deletes the record that the commands are answered. */
export async function unclaim(
  sql: Sql,
  dialect: Dialect,
  commands: readonly Identity[],
): Promise<void> {
  if (commands.length === 0) return;
  await sql(
    `delete from processed_commands
     where (id, scope) in (select id, scope from ${jsonRows(dialect, ROW)} as those)`,
    [JSON.stringify(rowsOf(commands))],
  );
}

/** Returns the ids of the commands that a former release has answered. */
async function readFormerAnswers(
  sql: Sql,
  dialect: Dialect,
  commands: readonly Identity[],
): Promise<readonly string[]> {
  const byId = [...new Set(commands.map(idOf))].map((id) => [id, EVERY_SOURCE] as const);
  const places = commands.filter((identity) => hasDigest(sourceOf(identity))).map(withoutDigest);
  const those = `select id, scope from ${jsonRows(dialect, ROW)} as those`;
  const rows = await sql<{ id: string }>(
    `select id from processed_commands where (id, scope) in (${those})`,
    [JSON.stringify([...byId, ...places.map((identity) => [identity, IDENTITY])])],
  );
  return rows.map(({ id }) => idOf(id));
}

/** Tells whether any of the commands is answered. */
export async function isAnyAnswered(
  sql: Sql,
  dialect: Dialect,
  commands: readonly Identity[],
): Promise<boolean> {
  const rows = commands.flatMap((identity) => [
    [identity, IDENTITY] as const,
    [idOf(identity), EVERY_SOURCE] as const,
  ]);
  const [row] = await sql<{ answered: number }>(
    `select count(*) as answered from processed_commands
     where (id, scope) in (select id, scope from ${jsonRows(dialect, ROW)} as those)`,
    [JSON.stringify(rows)],
  );
  return Number(row?.answered ?? 0) > 0;
}

const ROW = { id: 'text', scope: 'bigint' } as const;
