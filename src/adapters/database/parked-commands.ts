import type { ParkedChanges, ParkedCommand } from '../../service-layer/unit-of-work.ts';
import type { Database } from './database.ts';
import { jsonRows } from './json-rows.ts';
import type { Dialect } from './options.ts';
import type { Sql } from './transaction.ts';

interface Row {
  readonly id: string;
  readonly subjects: string;
  readonly behind: string;
  readonly position: number;
  readonly is_redriven: number;
}

export async function readParked(sql: Sql): Promise<readonly ParkedCommand[]> {
  const rows = await sql<Row>('select id, subjects, behind, position, is_redriven from parked_commands order by position');
  return rows.map(({ id, subjects, behind, position, is_redriven }) => {
    return { id, subjects: JSON.parse(subjects), behind: JSON.parse(behind), position, isRedriven: is_redriven === 1 };
  });
}

export async function writeParked(sql: Sql, dialect: Dialect, { parked, gone }: ParkedChanges): Promise<void> {
  const ids = (of: readonly string[]) => [JSON.stringify(of.map((id) => [id]))];
  const those = `(select id from ${jsonRows(dialect, { id: 'text' })} as those)`;
  const parkedIds = parked.map(({ id }) => id);
  const rows = parked.map(({ id, subjects, behind, position }) => [id, JSON.stringify(subjects), JSON.stringify(behind), position]);
  const columns = { id: 'text', subjects: 'text', behind: 'text', position: 'bigint' } as const;
  await Promise.all([
    sql(`delete from parked_commands where id in ${those}`, ids([...gone, ...parkedIds])),
    sql(`delete from processed_commands where id in ${those}`, ids(parkedIds)),
    sql(
      `insert into parked_commands (id, subjects, behind, position, is_redriven)
       select id, subjects, behind, position, 0 from ${jsonRows(dialect, columns)} as parked`,
      [JSON.stringify(rows)],
    ),
  ]);
}

/** An operator's decision about parked commands, before it is carried out on the topics. Made twice, it is the same. */
export interface Release {
  /** Will be sent again: there is room for others meanwhile. */
  readonly redriven: readonly string[];
  /** Will never be: what waits for them may follow. */
  readonly discarded: readonly string[];
  /** Will be sent again as another command, which takes over the place. */
  readonly replaced: { readonly id: string; readonly by: string } | null;
}

/** In the id of a command that takes the place of another one: what follows that one's id. */
export const EDITED = '/edited-';

/** @returns whether it knew any of them, as parked or, since, as answered */
export async function releaseParked(database: Database, { redriven, discarded, replaced }: Release): Promise<boolean> {
  return database.transaction(async (sql) => {
    let known = 0;
    await takeBackReplacements(sql, new Set([...redriven, ...discarded]));
    for (const id of discarded) known += await sql.run('delete from parked_commands where id = ?', [id]);
    for (const id of redriven) known += await sql.run('update parked_commands set is_redriven = 1 where id = ?', [id]);
    if (replaced) known += await sql.run('update parked_commands set id = ? where id = ?', [replaced.by, replaced.id]);
    const named = [...redriven, ...discarded];
    const those = `(select id from ${jsonRows(database.dialect, { id: 'text' })} as those)`;
    const [row] = await sql<{ answered: number }>(`select count(*) as answered from processed_commands where id in ${those}`, [
      JSON.stringify(named.map((id) => [id])),
    ]);
    return known + (row?.answered ?? 0) > 0;
  });
}

/** One that was decided before a crash, and may never be sent, must not keep the place: there would be no letter of it to redrive. */
async function takeBackReplacements(sql: Sql, named: ReadonlySet<string>): Promise<void> {
  const replacements = await sql<{ id: string }>(`select id from parked_commands where is_redriven = 1 and id like '%${EDITED}%'`);
  for (const { id } of replacements) {
    const original = id.split(EDITED).slice(0, -1).join(EDITED);
    if (named.has(id) || !named.has(original)) continue;
    const free = 'not exists (select 1 from parked_commands where id = ?)';
    await sql(`update parked_commands set id = ? where id = ? and ${free}`, [original, id, original]);
  }
}
