import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Keeps everybody from writing to the files, even a process that has them open. A file system does
 * so when it finds an error in itself and turns read-only. (`mount -o remount,ro` is refused while
 * a file is open for writing.)
 * @returns a function that allows writing again
 */
export async function makeReadOnly(...files: readonly string[]): Promise<() => Promise<void>> {
  await run('chattr', ['+i', ...files]);
  return async () => {
    await run('chattr', ['-i', ...files]);
  };
}

/**
 * Tells whether `makeReadOnly` works here. It needs root, and a file system that checks the
 * permission of open files again.
 */
export async function canMakeReadOnly(directory: string): Promise<boolean> {
  const file = join(directory, 'probe');
  await using handle = await open(file, 'w');
  try {
    const takeBack = await makeReadOnly(file);
    const { code } = await handle.write('x').then(
      () => ({ code: null }),
      (error) => error,
    );
    await takeBack();
    return code === 'EPERM';
  } catch {
    return false;
  } finally {
    await rm(file);
  }
}
