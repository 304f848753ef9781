import type { Release } from '../../adapters/database/lanes/parked-commands.ts';
import type { Config } from '../../config.ts';
import { patient } from '../session.ts';

/** Tells the service's database what has been decided about parked commands. */
export async function releaseInDatabase(config: Config, release: Release): Promise<void> {
  const { openDatabase } = await import('../../bootstrap.ts');
  const { releaseParked } = await import('../../adapters/database/lanes/parked-commands.ts');
  // The embedded log is in the same database, and closes it.
  const database = await openDatabase(patient(config));
  try {
    const known = await releaseParked(database, release);
    if (!known)
      process.stderr.write(
        'warning: the database knows none of these commands: is DATABASE_URL that of the service?\n',
      );
  } catch (error) {
    if (!/no such table|relation .* does not exist/.test((error as Error).message)) throw error;
    throw new Error(
      "The database is not the service's: set DATABASE_URL to the one in which these commands are parked",
      {
        cause: error,
      },
    );
  } finally {
    if (config.kafkaBrokers) await database.close();
  }
}
