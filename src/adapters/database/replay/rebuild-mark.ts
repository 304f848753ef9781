import { AllocationError } from '../../../domain/errors.ts';
import type { Database } from '../database.ts';

/**
 * The mark of a database on which no service may run. `unfinished`: a rebuild is under way. `past`:
 * the database shows the past, from a rebuild with `--until`.
 */
interface RebuildMark {
  readonly state: 'unfinished' | 'past';
  /** The rebuild's plan, as JSON. */
  readonly plan: string;
}

/** The database is being rebuilt, or shows the past. No service may run on it. */
export class MarkedDatabaseError extends AllocationError {
  override readonly code = 'marked-database';
}

/**
 * Refuses a database on which no service may run.
 * @param goesOn whether this service continues an unfinished rebuild
 * @throws {MarkedDatabaseError}
 */
export async function refuseMarked(
  database: Database,
  { goesOn }: { readonly goesOn: boolean },
): Promise<void> {
  const mark = await readMark(database);
  if (!mark || (goesOn && mark.state === 'unfinished')) return;
  if (mark.state === 'past') {
    const advice = 'set DATABASE_URL to another database';
    throw new MarkedDatabaseError(
      `The database shows the past, from "replay rebuild --until": ${advice}`,
      { advice },
    );
  }
  const advice =
    'Let "npx allocation replay rebuild" finish. If it was interrupted, start the same command ' +
    'again, or the service with AUTO_RECOVER=true';
  throw new MarkedDatabaseError(`The database is being rebuilt. ${advice}`, { advice });
}

/** Returns the database's mark. Null: a service may run on the database. */
export async function readMark(database: Database): Promise<RebuildMark | null> {
  const [mark] = await database.query<RebuildMark>('select state, plan from rebuilds');
  return mark ?? null;
}

/** Marks the database. */
export async function writeMark(database: Database, { state, plan }: RebuildMark): Promise<void> {
  await database.query('insert into rebuilds (state, plan) values (?, ?)', [state, plan]);
}
