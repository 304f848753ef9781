import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  describeUrl,
  dialectOf,
  sqliteFile,
} from '../../adapters/database/connection/database-url.ts';
import type { Database } from '../../adapters/database/database.ts';
import { missingPrivileges } from '../../adapters/database/privileges.ts';
import { refuseMarked } from '../../adapters/database/replay/rebuild-mark.ts';
import type { Config } from '../../config.ts';
import { type Finding, findingOf } from '../../doctor/finding.ts';
import { close, openExistingDatabase } from '../session.ts';
import { clockFindings } from './clock.ts';
import { type Report, reportsOf, runCheck, skipped } from './report.ts';

const NO_DATABASE = {
  risk: 'the service cannot answer commands',
  otherwise: 'check that the database runs and can be reached (DATABASE_URL)',
};
const IN_MEMORY: Finding = {
  problem: 'the database is in the memory of the process of the service',
  risk: 'all stock is lost when the process ends, and no other command can see it',
  remedy: 'set DATABASE_URL to a file, such as sqlite:///./cosmicpython.db',
};
const NO_ANSWER = {
  risk: 'this check has no result',
  otherwise: 'look at the log of the database, and run this command again',
};

/** Checks one database. The embedded log and the stock may lie in two databases. */
export async function* examineDatabase(config: Config, url: string): AsyncGenerator<Report> {
  if (dialectOf(url) === 'sqlite' && sqliteFile(url) === ':memory:')
    return yield* reportsOf({ check: 'configuration', subject: describeUrl(url) }, [IN_MEMORY]);
  const opened: Database[] = [];
  const connect = async () => {
    opened.push(await openExistingDatabase(config, { url, setBy: 'DATABASE_URL' }));
    return [];
  };
  yield* await runCheck({ check: 'connection', subject: describeUrl(url) }, connect, NO_DATABASE);
  const [database] = opened;
  if (!database) {
    yield skipped({ check: 'schema', subject: describeUrl(url) }, 'the database cannot be used');
    return;
  }
  try {
    const subject = describeUrl(url);
    const checks = [
      ['schema', () => schemaFindings(database, config)],
      ['permissions', () => permissionFindings(database, url, config)],
      ...(dialectOf(url) === 'sqlite' ? [] : [['clock', () => clockFindings(database)] as const]),
    ] as const;
    for (const [check, work] of checks) yield* await runCheck({ check, subject }, work, NO_ANSWER);
  } finally {
    await close(database);
  }
}

async function schemaFindings(
  database: Database,
  { autoRecover }: Config,
): Promise<readonly Finding[]> {
  const { pending, unknown } = await database.migrationState();
  if (unknown.length > 0)
    return [
      {
        problem: `a newer version of the service has migrated the database (${unknown.join(', ')})`,
        risk: 'this version does not start on it',
        remedy:
          'start the newer version, or undo its migrations with it: ' +
          'npx mikro-orm migration:down',
      },
    ];
  if (pending.length > 0)
    return [
      {
        problem: `pending migrations: ${pending.join(', ')}`,
        risk: 'commands that only read are refused; a start applies the migrations, if it may',
        remedy: 'npx allocation migrate   (as the owner of the tables)',
      },
    ];
  return await refuseMarked(database, { goesOn: autoRecover }).then(
    () => [],
    (error: unknown) => [
      findingOf(error, {
        risk: 'no service starts on this database',
        otherwise: 'docs/recovery.md has the steps',
      }),
    ],
  );
}

async function permissionFindings(
  database: Database,
  url: string,
  { autoRecover }: Config,
): Promise<readonly Finding[]> {
  if (dialectOf(url) === 'sqlite') return await fileFindings(sqliteFile(url));
  const missing = await missingPrivileges(database, { mayRebuild: autoRecover });
  return missing.map(({ user, object, privileges }) => ({
    problem: `the user "${user}" lacks ${privileges.join(', ')} on ${object}`,
    risk: 'the service cannot answer commands',
    remedy: `as the owner: grant ${privileges.join(', ')} on ${object} to "${user}";`,
  }));
}

async function fileFindings(file: string): Promise<readonly Finding[]> {
  const writable = (path: string) => access(path, constants.W_OK);
  // SQLite writes files beside the database.
  const refused = await Promise.allSettled([writable(file), writable(dirname(file))]);
  if (refused.every(({ status }) => status === 'fulfilled')) return [];
  return [
    {
      problem: `this user may not write ${file} or its directory`,
      risk: 'the service does not start',
      remedy: 'let the user of the service write both, or set DATABASE_URL to another place',
    },
  ];
}
