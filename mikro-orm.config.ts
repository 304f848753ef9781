import { DEFAULT_LIMITS } from './src/adapters/database/connection/database-limits.ts';
import { databaseOptions } from './src/adapters/database/connection/mikro-orm-options.ts';
import { readConfig } from './src/config.ts';

/** Enough for a slow migration. MikroORM's command line runs nothing else. */
const TIMEOUT_MS = 3_600_000;

export default databaseOptions(readConfig().databaseUrl, {
  ...DEFAULT_LIMITS,
  timeoutMs: TIMEOUT_MS,
});
