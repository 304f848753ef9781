import { Database } from '../../src/adapters/database/database.ts';
import { readConfig } from '../../src/config.ts';

/* The service, which crashes at SIGUSR2: nobody catches the error of opening its database anew. */

process.on('SIGUSR2', () => {
  const url = new URL(readConfig().databaseUrl);
  // Another spelling of the url gets connections of its own.
  url.searchParams.set('sslmode', 'disable');
  url.searchParams.set('sslkey', 'unused');
  void Database.openExisting(url.href);
});

await import('../../src/cli/allocation.ts');
