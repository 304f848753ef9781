import { setTimeout as sleep } from 'node:timers/promises';
import { isWorthRepeating } from './errors.ts';

/** How often one transaction runs at most. */
const MAX_TIMES = 5;
const PAUSE_MS = 50;

/**
 * Runs the transaction, and runs it again when PostgreSQL has undone it in favour of another one.
 * @throws the transaction's error: one that a repetition cannot mend, or the last of `MAX_TIMES`
 */
export async function repeatTransaction<T>(transaction: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (!isWorthRepeating(error) || times === MAX_TIMES) throw error;
      // A random pause separates transactions that disturbed each other.
      await sleep(Math.random() * times * PAUSE_MS);
    }
  }
}
