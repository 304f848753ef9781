import { spawn } from 'node:child_process';

/**
 * Runs the shell script once this process has ended, for whatever reason, or on demand.
 * @param values the $1, $2 and so on of the script
 * @returns a function that runs the script now and resolves when it is done
 */
export function afterwards(script: string, values: readonly string[]): () => Promise<void> {
  // Detached, and deaf to signals: a Ctrl-C in the terminal must not end the script before it has
  // begun.
  const watchdog = spawn(
    'sh',
    ['-c', `trap '' INT TERM HUP\nread -r word\n${script}`, 'watchdog', ...values],
    {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    },
  );
  watchdog.unref();
  const ended = new Promise<void>((resolve) => watchdog.once('exit', () => resolve()));
  return async () => {
    watchdog.ref();
    watchdog.stdin.end('\n');
    await ended;
  };
}
