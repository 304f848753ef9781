import type { Release } from '../../adapters/database/lanes/parked-release.ts';
import type { Config } from '../../config.ts';
import { printToStderr } from '../output.ts';
import { isMissingTable, openExistingDatabase } from '../session.ts';

/**
 * Tells the service's database what was decided about parked commands. Warns if the database knows
 * none of them.
 */
export async function releaseInDatabase(config: Config, release: Release): Promise<void> {
  const { releaseParked } = await import('../../adapters/database/lanes/parked-release.ts');
  const database = await openExistingDatabase(config, {
    url: config.databaseUrl,
    setBy: 'DATABASE_URL',
  });
  try {
    const isKnown = await releaseParked(database, release);
    if (!isKnown)
      printToStderr(
        'warning: the database knows none of these commands: ' +
          'check that DATABASE_URL is the database of the service',
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
