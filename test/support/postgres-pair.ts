import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, chown, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Database } from '../../src/adapters/database/database.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
import { TcpProxy } from './tcp-proxy.ts';

const run = promisify(execFile);
const START_MS = 60_000;
const DEBIAN = '/usr/lib/postgresql';

/** A PostgreSQL primary and its streaming standby. */
export interface PostgresPair {
  /** The url of the current primary. */
  readonly url: string;
  /** Cuts the standby off from everything that the primary commits from now on. */
  cutStandby(): Promise<void>;
  /** Crashes the primary, and promotes the standby. */
  failOver(): Promise<void>;
  stop(): Promise<void>;
}

/** The programs of the server, and the user that runs them. PostgreSQL refuses root. */
interface Programs {
  readonly folder: string;
  readonly user: { readonly uid?: number; readonly gid?: number };
}

/**
 * Starts a pair from the `postgresql` of Debian, because the npm package has no pg_basebackup.
 * @param synchronous whether a commit is acknowledged only once the standby has it too
 * @throws when the programs are missing; the message says so
 */
export async function startPostgresPair({
  synchronous,
}: {
  readonly synchronous: boolean;
}): Promise<PostgresPair> {
  const programs = await findPrograms();
  const folder = await mkdtemp(join(tmpdir(), 'allocation-pair-'));
  await own(folder, programs);
  const [primaryData, standbyData] = [join(folder, 'primary'), join(folder, 'standby')];
  const [primaryPort, standbyPort] = [await freePort(), await freePort()];
  await run(
    join(programs.folder, 'initdb'),
    ['-D', primaryData, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C'],
    programs.user,
  );
  await configure(primaryData, {
    port: primaryPort,
    listen_addresses: "'127.0.0.1'",
    unix_socket_directories: "''",
  });
  const primary = await startServer(programs, primaryData, primaryPort);
  const source = ['-h', '127.0.0.1', '-p', String(primaryPort), '-U', 'postgres'];
  await run(
    join(programs.folder, 'pg_basebackup'),
    [...source, '-D', standbyData, '-R', '-c', 'fast'],
    programs.user,
  );
  await configure(standbyData, { port: standbyPort });
  const standby = await startServer(programs, standbyData, standbyPort);
  const streams = async (count: number) => {
    const rows = await query(
      primaryPort,
      "select 1 from pg_stat_replication where state = 'streaming'",
    );
    if (rows.length !== count)
      throw new Error(`${rows.length} standbys stream instead of ${count}`);
  };
  await eventually(() => streams(1), { withinMs: START_MS });
  if (synchronous) {
    await query(primaryPort, "alter system set synchronous_standby_names = '*'");
    await query(primaryPort, 'select pg_reload_conf()');
  }
  const proxy = await TcpProxy.open(primaryPort);
  return {
    url: urlAt(proxy.port),
    async cutStandby() {
      await query(standbyPort, "alter system set primary_conninfo = ''");
      await query(standbyPort, 'select pg_reload_conf()');
      await eventually(() => streams(0), { withinMs: START_MS });
    },
    async failOver() {
      await end(primary);
      await query(standbyPort, 'select pg_promote()');
      proxy.retarget(standbyPort);
      proxy.reset();
    },
    async stop() {
      await Promise.all([end(primary), end(standby)]);
      await proxy.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function findPrograms(): Promise<Programs> {
  const versions = (await readdir(DEBIAN).catch(() => [])).toSorted(
    (a, b) => Number(a) - Number(b),
  );
  const version = versions.at(-1);
  if (version === undefined)
    throw new Error('the program pg_basebackup is missing (Debian: apt-get install postgresql)');
  const folder = join(DEBIAN, version, 'bin');
  if (process.getuid?.() !== 0) return { folder, user: {} };
  const [uid, gid] = await Promise.all(
    ['-u', '-g'].map(async (option) => Number((await run('id', [option, 'postgres'])).stdout)),
  );
  return { folder, user: { ...(uid !== undefined && { uid }), ...(gid !== undefined && { gid }) } };
}

async function own(folder: string, { user: { uid, gid } }: Programs): Promise<void> {
  await mkdir(folder, { recursive: true });
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
}

/** Appends settings. The later of two lines for one setting counts. */
function configure(
  data: string,
  settings: Readonly<Record<string, string | number>>,
): Promise<void> {
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  return appendFile(join(data, 'postgresql.conf'), lines.join(''));
}

async function startServer(
  { folder, user }: Programs,
  data: string,
  port: number,
): Promise<ChildProcess> {
  const server = spawn(join(folder, 'postgres'), ['-D', data], { ...user, stdio: 'ignore' });
  await eventually(() => query(port, 'select 1'), { withinMs: START_MS });
  return server;
}

/** Ends the server as a crash does: it writes nothing more. */
async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGQUIT');
  await ended;
}

function urlAt(port: number): string {
  return `postgresql://postgres:any@127.0.0.1:${port}/postgres`;
}

async function query(port: number, statement: string): Promise<unknown[]> {
  const database = await Database.open(urlAt(port), { poolSize: 2, timeoutMs: START_MS });
  try {
    return await database.query(statement);
  } finally {
    await database.close();
  }
}
