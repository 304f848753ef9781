import { DEFAULT_LIMITS, databaseOptions } from './src/adapters/database/connection/options.ts';
import { readConfig } from './src/config.ts';

/** A migration may be slow, and MikroORM's command line runs nothing else. */
const TIMEOUT_MS = 3_600_000;

export default databaseOptions(readConfig().databaseUrl, {
  ...DEFAULT_LIMITS,
  timeoutMs: TIMEOUT_MS,
});
