import type { Database } from '../adapters/database/database.ts';
import { isEmpty } from '../adapters/database/replay/rebuild-target.ts';

/** What to do about a service's database that is older than the topics: the command, as it can be copied, where the service's settings are. */
export async function recoveryAdvice(database: Database, url: string): Promise<string> {
  const byItself =
    'start the service with AUTO_RECOVER=true, and it rebuilds the database by itself';
  const command = await rebuildCommand(database, url);
  return command === null ? byItself : `stop the service, then: ${command}   (or ${byItself})`;
}

/** The command that rebuilds a service's database, as it can be copied; null: no other process can see a database in memory. */
export async function rebuildCommand(database: Database, url: string): Promise<string | null> {
  if (url === 'sqlite:///:memory:') return null;
  const fromCopy = (await isEmpty(database)) ? '' : ' --from-copy';
  return `npx allocation replay rebuild --into ${inShell(url)}${fromCopy}`;
}

/** No password is shown: the shell has it. */
function inShell(url: string): string {
  if (URL.canParse(url) && new URL(url).password !== '') return '"$DATABASE_URL"';
  return quoted(url);
}

/** One word for a shell. */
export function quoted(word: string): string {
  return /^[\w:/.@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
