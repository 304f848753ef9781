import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { fetchLibraries } from './libraries.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('GroupMembers.java', import.meta.url));

/**
 * Returns the members of the group as the Java client describes them, one line each: instance or
 * client id, and partitions.
 */
export async function groupMembers(brokers: string, group: string): Promise<readonly string[]> {
  const libraries = await fetchLibraries();
  const { stdout } = await run('java', ['-cp', join(libraries, '*'), program, brokers, group]);
  return stdout.split('\n').filter((line) => line !== '');
}
