import type { Database } from '../../database/database.ts';

const TABLES = ['log_identity', 'log_topics', 'log_batches', 'log_group_offsets'] as const;

/** The target has an embedded log of its own. */
export class OtherLogError extends Error {
  readonly code = 'other-log';
}

/**
 * Puts the embedded log of one SQLite file into another, in the place of an older copy of it. Done again, it is the same.
 * @throws {OtherLogError}
 */
export async function copyEmbeddedLog(file: string, target: Database): Promise<void> {
  await target.query('attach database ? as former', [file]);
  try {
    await target.transaction(async (sql) => {
      const [other] = await sql(
        'select id from main.log_identity where id not in (select id from former.log_identity)',
      );
      if (other)
        throw new OtherLogError(
          'The target has an embedded log of its own in it: name an empty one, or a copy of this one',
        );
      for (const table of TABLES) {
        await sql(`delete from main.${table}`);
        await sql(`insert into main.${table} select * from former.${table}`);
      }
    });
  } finally {
    await target.query('detach database former');
  }
}
