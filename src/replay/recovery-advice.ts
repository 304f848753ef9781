import type { Database } from '../adapters/database/database.ts';
import { isEmpty } from '../adapters/database/replay/rebuild-target.ts';

/** Says how to repair a service's database that is older than the topics, with commands to copy. */
export async function recoveryAdvice(database: Database, url: string): Promise<string> {
  const automatic =
    'start the service with AUTO_RECOVER=true, and it rebuilds the database by itself';
  const command = await rebuildCommand(database, url);
  return command === null ? automatic : `stop the service, then: ${command}   (or ${automatic})`;
}

/**
 * The command line that rebuilds a service's database, to be copied where the service's settings
 * are.
 * @returns null: the database lies in the memory of the service, where no command reaches it
 */
export async function rebuildCommand(database: Database, url: string): Promise<string | null> {
  if (url === 'sqlite:///:memory:') return null;
  const fromCopy = (await isEmpty(database)) ? '' : ' --from-copy';
  return `npx allocation replay rebuild --into ${urlForShell(url)}${fromCopy}`;
}

/** Hides a password: the shell takes the URL from its own environment. */
function urlForShell(url: string): string {
  if (URL.canParse(url) && new URL(url).password !== '') return '"$DATABASE_URL"';
  return quoteForShell(url);
}

/** Makes one shell word of the text. */
export function quoteForShell(word: string): string {
  return /^[\w:/.@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
