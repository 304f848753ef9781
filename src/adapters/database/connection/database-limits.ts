const POSTGRES_POOL_SIZE = 10;

/**
 * How long the server works on one statement of a lane or of the HTTP API, unless
 * DATABASE_TIMEOUT_MS says otherwise. Long work has more time (`long-work.ts`).
 */
export const STATEMENT_TIMEOUT_MS = 6_000;

/**
 * How long a session of PostgreSQL may stay silent inside a transaction. Without this limit, a
 * stopped process or a lost machine would keep its rows locked, and hold up every lane that needs
 * them. A lost machine could keep them for hours.
 */
export const POSTGRES_IDLE_TIMEOUT_MS = 4_000;

/**
 * How long a statement in a transaction of PostgreSQL waits for a lock.
 *
 * A stopped process may have one session queued behind another session's lock. Ending the first
 * session hands the lock to the next sleeping one. This time and `POSTGRES_IDLE_TIMEOUT_MS`
 * together last as long as the consumer group waits for a silent member. So all locks of a stopped
 * process are free when other processes own its lanes.
 */
export const POSTGRES_LOCK_TIMEOUT_MS = 2_000;

/** How much of a database the process uses, and how long it waits for the database. */
export interface DatabaseLimits {
  /** The largest number of connections to PostgreSQL. */
  readonly poolSize: number;
  /** How long to wait for a connection, and for the answer to a statement of usual work. */
  readonly timeoutMs: number;
  /** How long a statement waits for another process that has locked a SQLite file. */
  readonly busyTimeoutMs?: number;
}

export const DEFAULT_LIMITS: DatabaseLimits = {
  poolSize: POSTGRES_POOL_SIZE,
  timeoutMs: STATEMENT_TIMEOUT_MS,
};
