import { AllocationError } from '../../../domain/errors.ts';
import type { Database } from '../../database/database.ts';

const TABLES = ['log_identity', 'log_topics', 'log_batches', 'log_group_offsets'] as const;

/** The target has another embedded log, which a copy would destroy. */
class OtherLogError extends AllocationError {
  override readonly code = 'other-log';
}

/**
 * Copies the embedded log of one SQLite file into another, over an older copy of the same log.
 * Copying twice has the same result as copying once.
 * @param file the file that has the log
 * @throws {OtherLogError} the target has another log
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
          'The target has an embedded log of its own: ' +
            'name an empty database, or a copy of this one',
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
