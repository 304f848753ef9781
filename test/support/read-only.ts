import { execFile } from 'node:child_process';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/**
 * Makes that nobody can write to the files, whoever has them open included: as when a file system finds an error in itself and turns
 * read-only. (`mount -o remount,ro` is refused while a file is open for writing.) @returns what takes it back
 */
export async function makeReadOnly(...files: readonly string[]): Promise<() => Promise<void>> {
  await run('chattr', ['+i', ...files]);
  return async () => {
    await run('chattr', ['-i', ...files]);
  };
}

/** Only root may, and not every file system asks again when a file is open. */
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
