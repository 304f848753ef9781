import { setTimeout as sleep } from 'node:timers/promises';

const DEADLINE_MS = 120_000;
const RETRY_MS = 1_000;

/** Ends this process's sessions that have sent nothing for one beat of `heartbeat.ts`. */
const END_LOST_SESSIONS = `select pg_terminate_backend(pid) from pg_stat_activity
  where application_name = current_setting('application_name') and datname = current_database()
    and pid <> pg_backend_pid()
    and coalesce(query_start, backend_start) < now() - interval '5 s'`;

/**
 * Ends the sessions that PostgreSQL still keeps for connections that this process has destroyed.
 * Retries for two minutes while PostgreSQL cannot be reached, because the cause of the silence may
 * last.
 * @param query runs one statement outside any transaction
 * @param isOpen whether the process still uses the database
 */
export async function endLostSessions(
  query: (statement: string) => Promise<unknown>,
  isOpen: () => boolean,
): Promise<void> {
  for (const giveUpAt = Date.now() + DEADLINE_MS; Date.now() < giveUpAt && isOpen(); ) {
    const isDone = await query(END_LOST_SESSIONS).then(
      () => true,
      () => false,
    );
    if (isDone) return;
    await sleep(RETRY_MS, undefined, { ref: false });
  }
}
