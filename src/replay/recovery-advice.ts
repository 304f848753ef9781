import type { Database } from '../adapters/database/database.ts';
import { isEmpty } from '../adapters/database/rebuild-target.ts';

/** What to do about a service's database that is older than the topics: the command, as it can be copied, where the service's settings are. */
export async function recoveryAdvice(database: Database, url: string): Promise<string> {
  const byItself = 'start the service with AUTO_RECOVER=true, and it rebuilds the database by itself';
  if (url === 'sqlite:///:memory:') return byItself;
  const fromCopy = (await isEmpty(database)) ? '' : ' --from-copy';
  return `stop the service, then: npx allocation replay rebuild --into ${inShell(url)}${fromCopy}   (or ${byItself})`;
}

/** No password is shown: the shell has it. */
function inShell(url: string): string {
  if (URL.canParse(url) && new URL(url).password !== '') return '"$DATABASE_URL"';
  return /^[\w:/.@%+=,-]+$/.test(url) ? url : `'${url.replaceAll("'", `'\\''`)}'`;
}
