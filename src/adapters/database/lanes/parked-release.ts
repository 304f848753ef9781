import { formerIdentity, type Identity, idOf, parkedIdentity } from '../../../domain/identity.ts';
import type { Dialect } from '../connection/database-url.ts';
import type { Database } from '../database.ts';
import { repeatTransaction } from '../repeat-transaction.ts';
import type { Sql } from '../transaction.ts';
import { keyOf, lockParked } from './parked-commands.ts';
import { isAnyAnswered } from './processed-commands.ts';

/** Returns how many commands of all lanes are parked. */
export async function countParked(database: Pick<Database, 'read'>): Promise<number> {
  const [row] = await database.read<{ parked: number }>(
    'select count(*) as parked from parked_commands',
  );
  return row?.parked ?? 0;
}

/**
 * An operator's decision about parked commands. The database learns the decision before the topics
 * do. Making the same decision twice changes nothing more.
 */
export interface Release {
  /** These commands are sent again. They no longer count towards the limit of parked commands. */
  readonly redriven: readonly Identity[];
  /** These commands are never sent again. The commands held back behind them may follow. */
  readonly discarded: readonly Identity[];
  /** This command is sent again as another command, which takes its row. */
  readonly replaced: { readonly identity: Identity; readonly by: Identity } | null;
}

/**
 * Writes the decision to the database, in one transaction.
 * @returns whether the database knows any of the commands, as parked or as answered
 */
export async function releaseParked(database: Database, release: Release): Promise<boolean> {
  return repeatTransaction(() =>
    database.transaction((sql) => releaseIn(sql, database.dialect, release)),
  );
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
    known += await runOnRow(sql, identity, 'delete from parked_commands');
  for (const identity of redriven)
    known += await runOnRow(sql, identity, 'update parked_commands set is_redriven = 1');
  if (replaced) {
    const replace = 'update parked_commands set id = ?, identity = ?, replaces = ?';
    known += await runOnRow(sql, replaced.identity, replace, [
      ...keyOf(replaced.by),
      parkedIdentity(replaced.identity),
    ]);
  }
  return known > 0 || (await isAnyAnswered(sql, dialect, named));
}

/**
 * Runs the statement on the command's row, or else on the row of a former release.
 * @returns the number of changed rows
 */
async function runOnRow(
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

/**
 * Undoes replacements of the named commands. A replacement that was decided before a crash may
 * never be sent. Its row would then name a command that has no dead letter to redrive.
 */
async function takeBackReplacements(sql: Sql, named: readonly Identity[]): Promise<void> {
  const replacements = await sql<{ id: string; identity: string; replaces: string }>(
    `select id, identity, replaces from parked_commands
     where is_redriven = 1 and replaces is not null`,
  );
  const isNamed = new Set(named.map(parkedIdentity));
  for (const { id, identity, replaces } of replacements) {
    if (isNamed.has(identity) || !isNamed.has(replaces)) continue;
    const isFree = 'not exists (select 1 from parked_commands where id = ? and identity = ?)';
    const original = keyOf(replaces);
    await sql(
      `update parked_commands set id = ?, identity = ?, replaces = null
       where id = ? and identity = ? and ${isFree}`,
      [...original, id, identity, ...original],
    );
  }
}
