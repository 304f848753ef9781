import { fstatSync } from 'node:fs';
import type { Line } from './lines.ts';
import { printToStderr } from './output.ts';

/** Shows the person at the terminal how far a stream of commands has come. */
interface Progress {
  update(published: number, lines: readonly Line[]): void;
  /** Writes a line to stderr without garbling the bar. */
  say(text: string): void;
  close(): void;
}

const STDIN = 0;

/** Opens a bar with the rate, if stderr is a terminal. Otherwise shows nothing. */
export async function openProgress(): Promise<Progress> {
  if (!process.stderr.isTTY) return { update: () => {}, say: printToStderr, close: () => {} };
  const { default: cliProgress } = await import('cli-progress');
  const stdin = fstatSync(STDIN);
  const rate = '{published} commands | {rate}/s';
  const format = stdin.isFile() ? `{bar} {percentage}% | ${rate}` : rate;
  const bar = new cliProgress.SingleBar({
    format,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  const startedMs = performance.now();
  let bytes = 0;
  bar.start(stdin.isFile() ? stdin.size : 0, 0, { published: 0, rate: 0 });
  return {
    update(published, lines) {
      for (const line of lines) bytes += (line.bytes?.length ?? 0) + 1;
      const seconds = Math.max(0.001, (performance.now() - startedMs) / 1_000);
      bar.update(bytes, { published, rate: Math.round(published / seconds) });
    },
    say(text) {
      process.stderr.write('\r\x1b[K');
      printToStderr(text);
    },
    close: () => bar.stop(),
  };
}

/** Opens a bar for a known number of things, if stderr is a terminal. Otherwise shows nothing. */
export async function openBar(
  total: number,
): Promise<{ readonly add: (count: number) => void; readonly close: () => void }> {
  if (!process.stderr.isTTY) return { add: () => {}, close: () => {} };
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar({
    format: '{bar} {value}/{total}',
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  return { add: (count) => bar.increment(count), close: () => bar.stop() };
}
