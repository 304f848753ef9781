import { spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * Locks the SQLite file for writing from another process.
 * @returns a function that releases the lock
 */
export async function lockFromAnotherProcess(file: string): Promise<() => Promise<void>> {
  const script = `
    const { DatabaseSync } = require('node:sqlite');
    new DatabaseSync(${JSON.stringify(file)}, { timeout: 5000 }).exec('begin immediate');
    console.log('locked');
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--no-warnings', '--eval', script], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return async () => {
    child.stdin.end();
    await once(child, 'exit');
  };
}
