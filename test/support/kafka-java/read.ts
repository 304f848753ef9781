import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchLibraries } from './start.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('CommittedReader.java', import.meta.url));
const MAX_OUTPUT_BYTES = 400 * 1024 * 1024;

/** A record as Kafka's own client sees it. */
export interface JavaRecord {
  readonly partition: number;
  readonly offset: number;
  readonly key: string;
  readonly id: string;
}

/** Every committed record of the topic, read by Kafka's own client. @throws a transaction is open in it */
export async function readTopicInJava(brokers: string, topic: string): Promise<readonly JavaRecord[]> {
  const libraries = await fetchLibraries();
  const { stdout } = await run('java', ['-cp', join(libraries, '*'), program, brokers, topic], { maxBuffer: MAX_OUTPUT_BYTES });
  return stdout
    .split('\n')
    .filter((line) => line.startsWith('['))
    .map((line) => {
      const [partition, offset, key, id] = JSON.parse(line);
      return { partition, offset, key, id };
    });
}
