import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { TestKafka } from '../kafka.ts';
import { answers, BROKER_SETTINGS, freePort } from '../kafka-broker.ts';

const run = promisify(execFile);
const pom = fileURLToPath(new URL('pom.xml', import.meta.url));
const cache = fileURLToPath(new URL('../../../.cache/kafka/', import.meta.url));
const CLUSTER_ID = 'allocationTestKafkaAAA';
const JVM = ['-Xmx512m', '-Xms128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'];

/**
 * Runs beside the broker, and outlives this process by a moment: when its input ends, whyever, it kills the broker and
 * removes its data. "keep" keeps the data.
 */
const WATCHDOG = `
trap '' INT TERM HUP
dir=$1; shift
"$@" >>"$dir/kafka.log" 2>&1 </dev/null &
pid=$!
read -r word
kill -9 $pid
wait $pid 2>/dev/null
[ "$word" = keep ] || rm -rf "$dir"
`;

/** Kafka in KRaft mode, from Maven's artifacts, on this machine's Java. */
export async function startJavaKafka(port: number): Promise<TestKafka> {
  await requireJava();
  const libraries = await fetchLibraries();
  const directory = await mkdtemp(join(tmpdir(), 'allocation-kafka-'));
  const settings = join(directory, 'server.properties');
  await writeFile(settings, asProperties(port, await freePort(), join(directory, 'data')));
  const java = [...JVM, '-cp', join(libraries, '*')];
  try {
    await run('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', CLUSTER_ID, '-c', settings]);
  } catch (error) {
    await rm(directory, { recursive: true, force: true });
    throw error;
  }
  const removeData = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', removeData);
  const brokers = `127.0.0.1:${port}`;
  const start = () => startWatched(directory, ['java', ...java, 'kafka.Kafka', settings], brokers);
  let running: Watched | null = await start();
  return {
    brokers,
    faults: {
      kill: async () => {
        await running?.end('keep');
        running = null;
      },
      restart: async () => {
        running ??= await start();
      },
    },
    stop: async () => {
      await running?.end('remove');
      removeData();
      process.off('exit', removeData);
    },
  };
}

interface Watched {
  end(word: 'keep' | 'remove'): Promise<void>;
}

async function startWatched(directory: string, command: readonly string[], brokers: string): Promise<Watched> {
  // Detached: a Ctrl-C in the terminal must not reach it before it has cleaned up.
  const watchdog = spawn('sh', ['-c', WATCHDOG, 'watchdog', directory, ...command], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const end = async (word: 'keep' | 'remove') => {
    watchdog.ref();
    const ended = once(watchdog, 'exit');
    watchdog.stdin.end(`${word}\n`);
    await ended;
  };
  watchdog.unref();
  try {
    await answers(brokers);
    return { end };
  } catch (error) {
    const log = await readFile(join(directory, 'kafka.log'), 'utf8').catch(() => '');
    await end('remove');
    throw new Error(`Kafka did not start: ${(error as Error).message}\n${log.slice(-2_000)}`);
  }
}

function asProperties(port: number, controllerPort: number, data: string): string {
  const settings = {
    ...BROKER_SETTINGS,
    'process.roles': 'broker,controller',
    'node.id': '1',
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    'controller.listener.names': 'CONTROLLER',
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    'log.cleaner.dedupe.buffer.size': String(16 * 1024 * 1024),
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');
}

async function requireJava(): Promise<void> {
  const { stderr } = await run('java', ['-version']).catch(() => {
    throw new Error('no Java');
  });
  const major = Number(stderr.match(/version "(\d+)/)?.[1] ?? 0);
  if (major < 17) throw new Error(`Java ${major}, where 17 is needed`);
}

/** The folder of Kafka's jars, copied once per checkout. Two processes that do it at once each copy for themselves; the first to finish wins. */
export async function fetchLibraries(): Promise<string> {
  const [, version] = (await readFile(pom, 'utf8')).match(/kafka_2\.13<\/artifactId>\s*<version>([^<]+)/) ?? [];
  const libraries = join(cache, `${version}`);
  if (existsSync(libraries)) return libraries;
  await mkdir(cache, { recursive: true });
  const copy = await mkdtemp(join(cache, 'copying-'));
  try {
    await run('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${copy}`]);
    await rename(copy, libraries);
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    if (existsSync(libraries)) return libraries;
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(isMissing ? 'no Maven' : `Maven could not fetch Kafka: ${(error as Error).message.slice(0, 300)}`);
  }
  return libraries;
}

/** Whether Kafka's own client can be used here. */
export async function hasJavaClient(): Promise<boolean> {
  return fetchLibraries().then(
    () => true,
    () => false,
  );
}
