import type { Release } from '../../adapters/database/lanes/parked-release.ts';
import type { Config } from '../../config.ts';
import { isMissingTable, withLongBusyTimeout } from '../session.ts';

/**
 * Tells the service's database what was decided about parked commands. Warns if the database knows
 * none of them.
 */
export async function releaseInDatabase(config: Config, release: Release): Promise<void> {
  const { openDatabase } = await import('../../bootstrap.ts');
  const { releaseParked } = await import('../../adapters/database/lanes/parked-release.ts');
  const database = await openDatabase(withLongBusyTimeout(config));
  try {
    const isKnown = await releaseParked(database, release);
    if (!isKnown)
      process.stderr.write(
        'warning: the database knows none of these commands: ' +
          'check that DATABASE_URL is the database of the service\n',
      );
  } catch (error) {
    if (!isMissingTable(error)) throw error;
    throw new Error(
      'The database has no tables of the service: ' +
        'set DATABASE_URL to the database in which these commands are parked',
      { cause: error },
    );
  } finally {
    // The embedded log shares this database, and closes it.
    if (config.kafkaBrokers) await database.close();
  }
}
