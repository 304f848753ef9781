import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchLibraries } from './libraries.ts';

const program = fileURLToPath(new URL('CompressingProducer.java', import.meta.url));

/** All that Kafka can do to a batch. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** What Kafka's own client is to publish. No key has a tab in it, and nothing a line break. */
export interface JavaMessage {
  readonly compression: (typeof COMPRESSIONS)[number];
  readonly key: string;
  readonly value: string;
}

/** Publishes the messages with Kafka's own client: those of one compression after those of another, each in one batch if it fits. */
export async function produceInJava(
  brokers: string,
  topic: string,
  messages: readonly JavaMessage[],
): Promise<void> {
  const libraries = await fetchLibraries();
  const java = spawn('java', ['-cp', join(libraries, '*'), program, brokers, topic], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let errors = '';
  java.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  java.stdin.on('error', () => {}); // it has ended, and says why
  java.stdin.end(
    messages.map(({ compression, key, value }) => `${compression}\t${key}\t${value}\n`).join(''),
  );
  const [code] = await once(java, 'close');
  if (code !== 0) throw new Error(`The Java producer ended with ${code}: ${errors.slice(-1_000)}`);
}
