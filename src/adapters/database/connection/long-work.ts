import { AsyncLocalStorage } from 'node:async_hooks';

/** Longer than any statement of a migration, a rebuild or a copy, even on a large database. */
const LONG_WORK_TIMEOUT_MS = 3_600_000;

const longWork = new AsyncLocalStorage<number>();

/**
 * Gives each statement of `work` an hour instead of a few seconds. Migrations, rebuilds and copies
 * need that, because their statements are slow on a large database.
 */
export function asLongWork<T>(work: () => Promise<T>): Promise<T> {
  return longWork.run(LONG_WORK_TIMEOUT_MS, work);
}

/** Gives each statement of `work` the usual time-out, even inside long work. */
export function asUsualWork<T>(work: () => Promise<T>): Promise<T> {
  return longWork.exit(work);
}

/** Returns how long a statement that is sent now may take, in milliseconds. */
export function statementTimeoutMs(usualMs: number): number {
  return longWork.getStore() ?? usualMs;
}
