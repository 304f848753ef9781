#!/usr/bin/env -S node --max-semi-space-size=8 --heap-growing-percent=100
// A delivery lives just long enough for V8 to promote it to the old generation. The flags prevent
// that. Without the flags, a busy service takes half as much memory again.
import { runCommandLine } from './command-line.ts';
import { endOnSignals } from './default-signals.ts';
import { hidePasswordsInTitle } from './process-title.ts';

const FORCED_EXIT_AFTER_MS = 2_000;

hidePasswordsInTitle();
endOnSignals();
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of the pipe has seen enough, as in `| head -1`.
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});
await runCommandLine(process.argv.slice(2));
// A client that still tries to reach a broker must not keep the terminal waiting.
setTimeout(() => process.exit(), FORCED_EXIT_AFTER_MS).unref();
