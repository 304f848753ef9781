import { Server } from 'node:tls';
import { pino } from 'pino';
import { describeUrl } from '../../adapters/database/connection/database-url.ts';
import { type Config, unknownVariables } from '../../config.ts';
import { type Finding, findingOf } from '../../doctor/finding.ts';
import { Certificate } from '../../entrypoints/http/doors/certificate.ts';
import { refuseOpenDoor } from '../../entrypoints/http/doors/exposure.ts';
import { TokenList } from '../../entrypoints/http/doors/token-list.ts';
import { readSettings } from '../session.ts';
import { type Report, reportsOf } from './report.ts';

const NO_START = {
  risk: 'the service does not start',
  otherwise: 'correct the variable; docs/contract.md (Configuration) says what is allowed',
};

/** Checks the settings, and the files that they name. */
export async function examineConfiguration(): Promise<{
  /** Null: the settings cannot be used, and nothing else can be checked. */
  readonly config: Config | null;
  readonly reports: readonly Report[];
}> {
  const misspelt = unknownVariables().map(({ name, nearest }) => ({
    problem: `${name} is not a setting of the service`,
    risk: 'the variable has no effect',
    remedy: `rename it to ${nearest}, or remove it`,
  }));
  const settings = { check: 'configuration', subject: 'the settings' } as const;
  try {
    const config = await readSettings();
    // This throws if the URL cannot be parsed.
    describeUrl(config.databaseUrl);
    const http = { check: 'configuration', subject: 'the doors of the HTTP API' } as const;
    return {
      config,
      reports: [...reportsOf(settings, misspelt), ...reportsOf(http, await doorFindings(config))],
    };
  } catch (error) {
    return {
      config: null,
      reports: reportsOf(settings, [findingOf(error, NO_START), ...misspelt]),
    };
  }
}

/** Tries the files and the address that the service uses before its HTTP API listens. */
async function doorFindings({ httpHost, httpDoors }: Config): Promise<readonly Finding[]> {
  const { tokensFile, tls } = httpDoors;
  const log = pino({ level: 'silent' });
  const opened = await Promise.allSettled([
    (async () => refuseOpenDoor(httpHost, httpDoors))(),
    tokensFile !== null && tryOut(new TokenList(tokensFile, log), (list) => list.open()),
    tls && tryOut(new Certificate(tls, log), (files) => files.open(new Server())),
  ]);
  return opened.flatMap((each) =>
    each.status === 'rejected' ? [findingOf(each.reason, NO_START)] : [],
  );
}

async function tryOut<T extends { close(): void }>(
  files: T,
  open: (files: T) => Promise<void>,
): Promise<void> {
  try {
    await open(files);
  } finally {
    files.close();
  }
}
