import { ReplayRefusedError } from '../../replay/errors.ts';
import { ForeignRecordError } from '../../replay/foreign-records.ts';
import { quoteForShell } from '../../replay/recovery-advice.ts';

/**
 * Waits for the work. If the work refuses a record that others wrote into the events topic, the
 * error gains the command that skips such records.
 */
export async function adviseSkipping<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    if (!(error instanceof ForeignRecordError)) throw error;
    const words = process.argv.slice(2).map((argument) => quoteForShell(withoutPassword(argument)));
    throw new ReplayRefusedError(
      `${error.message}. Look at the record; to skip what others wrote: ` +
        `npx allocation ${words.join(' ')} --skip-foreign`,
      { cause: error },
    );
  });
}

function withoutPassword(argument: string): string {
  return argument.replace(/(:\/\/[^/?#:@]*:)[^/?#]+@/, '$1***@');
}
