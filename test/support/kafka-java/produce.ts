import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchLibraries } from './libraries.ts';

const program = fileURLToPath(new URL('CompressingProducer.java', import.meta.url));

/** The compressions that Kafka has for a record batch. */
export const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** A message for the Java client to publish. No key contains a tab, and no message a line break. */
export interface JavaMessage {
  readonly compression: (typeof COMPRESSIONS)[number];
  readonly key: string;
  readonly value: string;
}

/**
 * Publishes the messages with the Java client of Kafka, one compression after another. The messages
 * of a compression make one record batch, if that fits.
 */
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
  java.stdin.on('error', () => {}); // The program has ended, and its exit says why.
  java.stdin.end(
    messages.map(({ compression, key, value }) => `${compression}\t${key}\t${value}\n`).join(''),
  );
  const [code] = await once(java, 'close');
  if (code !== 0) throw new Error(`The Java producer ended with ${code}: ${errors.slice(-1_000)}`);
}
