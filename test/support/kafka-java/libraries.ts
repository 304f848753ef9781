import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const pom = fileURLToPath(new URL('pom.xml', import.meta.url));
const cache = fileURLToPath(new URL('../../../.cache/kafka/', import.meta.url));

/** The versions of Kafka that tests run. */
export const KAFKA_VERSIONS = ['4.1.0', '3.7.2'] as const;

export type KafkaVersion = (typeof KAFKA_VERSIONS)[number];

/**
 * Checks that the Java of this machine can run Kafka.
 * @throws when it cannot; the message says why
 */
export async function requireJava(): Promise<void> {
  const { stderr } = await run('java', ['-version']).catch(() => {
    throw new Error('no Java');
  });
  const major = Number(stderr.match(/version "(\d+)/)?.[1] ?? 0);
  if (major < 17) throw new Error(`Java ${major}, where 17 is needed`);
}

/**
 * Returns the folder of the Kafka jars, which it copies once per checkout and version. Two
 * processes that copy at once each copy for themselves; the first to finish wins.
 * @throws when there is no Maven, or Maven cannot fetch the jars
 */
export async function fetchLibraries(version: KafkaVersion = KAFKA_VERSIONS[0]): Promise<string> {
  const libraries = join(cache, version);
  if (existsSync(libraries)) return libraries;
  await mkdir(cache, { recursive: true });
  const copy = await mkdtemp(join(cache, 'copying-'));
  const scope = ['-DincludeScope=runtime', `-Dkafka.version=${version}`];
  try {
    await run('mvn', [
      '-q',
      '-B',
      '-f',
      pom,
      'dependency:copy-dependencies',
      ...scope,
      `-DoutputDirectory=${copy}`,
    ]);
    await rename(copy, libraries);
  } catch (error) {
    await rm(copy, { recursive: true, force: true });
    if (existsSync(libraries)) return libraries;
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new Error(
      isMissing
        ? 'no Maven'
        : `Maven could not fetch Kafka: ${(error as Error).message.slice(0, 300)}`,
    );
  }
  return libraries;
}

/** Tells whether this machine can run the Java client of Kafka. */
export async function hasJavaClient(): Promise<boolean> {
  return fetchLibraries().then(
    () => true,
    () => false,
  );
}
