import { setTimeout as sleep } from 'node:timers/promises';
import { isWorthRepeating } from './errors.ts';

/** How often a transaction is run that PostgreSQL undoes for the sake of another one. */
const MAX_TIMES = 5;
const PAUSE_MS = 50;

/** Runs the transaction again when the database has undone it for the sake of another one. */
export async function repeating<T>(transaction: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (!isWorthRepeating(error) || times === MAX_TIMES) throw error;
      // So that transactions that disturbed each other do not come back together.
      await sleep(Math.random() * times * PAUSE_MS);
    }
  }
}
