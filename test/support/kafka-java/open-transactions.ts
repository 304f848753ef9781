import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchLibraries } from './libraries.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('OpenTransactions.java', import.meta.url));

/** Returns every open transaction as the Java client lists it, one line each: id and state. */
export async function openTransactions(brokers: string): Promise<readonly string[]> {
  const libraries = await fetchLibraries();
  const { stdout } = await run('java', ['-cp', join(libraries, '*'), program, brokers]);
  return stdout.split('\n').filter((line) => line !== '');
}
