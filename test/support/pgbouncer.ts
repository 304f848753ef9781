import { type ChildProcess, spawn } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const START_TIMEOUT_MS = 30_000;

/** A real PgBouncer in transaction mode. A client keeps a server connection for one transaction. */
export interface PgBouncer {
  /** Returns the url of the same database through PgBouncer. */
  urlOf(url: string): string;
  stop(): Promise<void>;
}

/**
 * Starts the `pgbouncer` of Debian in front of a PostgreSQL server.
 * @param server any url on the server; PgBouncer logs in as the user of this url
 * @throws when the program is missing; the message says so
 */
export async function startPgBouncer(server: string): Promise<PgBouncer> {
  const { hostname, port, username, password } = new URL(server);
  const folder = await mkdtemp(join(tmpdir(), 'allocation-pgbouncer-'));
  await chmod(folder, 0o755);
  const file = join(folder, 'pgbouncer.ini');
  const listenPort = await freePort();
  const settings = [
    '[databases]',
    `* = host=${hostname} port=${port} ` +
      `user=${decodeURIComponent(username)} password=${decodeURIComponent(password)}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${listenPort}`,
    'unix_socket_dir =',
    'auth_type = any',
    'pool_mode = transaction',
    'default_pool_size = 20',
    'max_client_conn = 200',
    // By default PgBouncer avoids a server that refused a connection for 15 s, too long in a
    // failover.
    'server_login_retry = 1',
  ];
  await writeFile(file, `${settings.join('\n')}\n`, { mode: 0o644 });
  const child = await spawned(['-q', ...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), file]);
  await eventually(() => answersAt(listenPort), { withinMs: START_TIMEOUT_MS });
  return {
    urlOf(url) {
      const through = new URL(url);
      through.hostname = '127.0.0.1';
      through.port = String(listenPort);
      return through.href;
    },
    async stop() {
      child.kill('SIGQUIT');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Starts PgBouncer, or returns null and prints why tests are skipped. In CI a missing PgBouncer is
 * an error.
 */
export async function pgBouncerOrSkip(server: string): Promise<PgBouncer | null> {
  return startPgBouncer(server).catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests on PgBouncer are skipped: ${reason.message}\n`);
    return null;
  });
}

function spawned(args: readonly string[]): Promise<ChildProcess> {
  const { promise, resolve, reject } = Promise.withResolvers<ChildProcess>();
  // Debian installs the program where only root looks.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` };
  const child = spawn('pgbouncer', args, { stdio: 'ignore', env });
  child.once('error', () =>
    reject(new Error('the program pgbouncer is missing (Debian: apt-get install pgbouncer)')),
  );
  child.once('spawn', () => resolve(child));
  return promise;
}

function answersAt(port: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = connect(port, '127.0.0.1', resolve).once('error', reject);
  return promise.finally(() => socket.destroy());
}
