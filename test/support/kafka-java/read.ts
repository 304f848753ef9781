import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { HistoryRecord } from '../judge/history.ts';
import { fetchLibraries } from './libraries.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('CommittedReader.java', import.meta.url));
const MAX_OUTPUT_BYTES = 400 * 1024 * 1024;

/** A record as the Java client of Kafka sees it. */
export interface JavaRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly id: string;
  /** See `contentHash`. */
  readonly contentHash: string;
}

export interface JavaTopic {
  /** The committed records. */
  readonly records: readonly JavaRecord[];
  /** The number of records of aborted transactions between them. */
  readonly aborted: number;
}

/**
 * Reads the topic with the Java client of Kafka.
 * @throws when a transaction is open in the topic
 */
export async function readTopicInJava(brokers: string, topic: string): Promise<JavaTopic> {
  const libraries = await fetchLibraries();
  const { stdout } = await run('java', ['-cp', join(libraries, '*'), program, brokers, topic], {
    maxBuffer: MAX_OUTPUT_BYTES,
  });
  const records = stdout
    .split('\n')
    .filter((line) => line.startsWith('['))
    .map((line) => {
      const [partition, offset, key, id, contentHash] = JSON.parse(line);
      return { partition, offset, key, id, contentHash };
    });
  return { records, aborted: Number(/^aborted (\d+)$/m.exec(stdout)?.[1]) };
}

/**
 * Returns the hash that `CommittedReader.java` prints for a record: the SHA-256 of the value, then
 * of the name and value of each header. The length precedes each of them.
 */
export function contentHash({ value, headers }: Pick<HistoryRecord, 'value' | 'headers'>): string {
  const hash = createHash('sha256');
  const add = (bytes: Buffer | null) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1);
    hash.update(length).update(bytes ?? '');
  };
  add(value);
  for (const name of Object.keys(headers).sort())
    for (const text of [name, headers[name] as string]) add(Buffer.from(text));
  return hash.digest('hex');
}
