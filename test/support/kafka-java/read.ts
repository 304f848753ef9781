import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { HistoryRecord } from '../check-history.ts';
import { fetchLibraries } from './libraries.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('CommittedReader.java', import.meta.url));
const MAX_OUTPUT_BYTES = 400 * 1024 * 1024;

/** A record as Kafka's own client sees it. */
export interface JavaRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly id: string;
  /** See `contentHash`. */
  readonly contentHash: string;
}

export interface JavaTopic {
  /** The committed ones. */
  readonly records: readonly JavaRecord[];
  /** How many records of aborted transactions lie between them. */
  readonly aborted: number;
}

/** The topic, read by Kafka's own client. @throws a transaction is open in it */
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

/** The same as the Java client's of a record: SHA-256 of the value, then of each header's name and value; before each its length. */
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
