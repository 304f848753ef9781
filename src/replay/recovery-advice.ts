import type { Database } from '../adapters/database/database.ts';
import { isEmpty } from '../adapters/database/replay/rebuild-target.ts';
import type { Config } from '../config.ts';

/** The settings that a rebuild of the service's own database rests on. */
export type RecoveryConfig = Pick<
  Config,
  'commandsTopic' | 'eventsTopic' | 'deadLettersTopic' | 'groupId' | keyof DatabaseSettings
>;

type DatabaseSettings = Pick<Config, 'databaseUrl' | 'databaseUrlFile'>;

/** Says how to repair a service's database that is older than the topics, with commands to copy. */
export async function recoveryAdvice(
  database: Database,
  settings: DatabaseSettings,
): Promise<string> {
  const automatic =
    'start the service with AUTO_RECOVER=true, and it rebuilds the database by itself';
  const command = await rebuildCommand(database, settings);
  return command === null ? automatic : `stop the service, then: ${command}   (or ${automatic})`;
}

/**
 * Returns the command line that rebuilds a service's database. An operator runs the command where
 * the service's settings are.
 * @returns null: the database lies in the memory of the service, where no command reaches it
 */
export async function rebuildCommand(
  database: Database,
  settings: DatabaseSettings,
): Promise<string | null> {
  if (settings.databaseUrl === 'sqlite:///:memory:') return null;
  const fromCopy = (await isEmpty(database)) ? '' : ' --from-copy';
  return `npx allocation replay rebuild --into ${urlForShell(settings)}${fromCopy}`;
}

/** Hides a password: the shell takes the URL from its own environment, or from the file. */
function urlForShell({ databaseUrl, databaseUrlFile }: DatabaseSettings): string {
  if (!URL.canParse(databaseUrl) || new URL(databaseUrl).password === '')
    return quoteForShell(databaseUrl);
  return databaseUrlFile === null
    ? '"$DATABASE_URL"'
    : `"$(cat ${quoteForShell(databaseUrlFile)})"`;
}

/** Makes one shell word of the text. */
export function quoteForShell(word: string): string {
  return /^[\w:/.@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
