import { databaseOptions } from './src/adapters/database/options.ts';
import { readConfig } from './src/config.ts';

export default databaseOptions(readConfig().databaseUrl);
