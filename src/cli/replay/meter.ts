import { printToStderr, toJson } from '../output.ts';
import type { Workload } from './workload.ts';

/** Shows on stderr how far the work has come. */
interface Meter {
  show(done: number, perSecond: number): void;
  say(text: string): void;
  close(): void;
}

const SHOW_EVERY_MS = 1_000;

/** Opens a bar with rate and time left on a terminal. Elsewhere prints JSON lines. */
export async function openMeter(workload: Workload): Promise<Meter> {
  const { total, done, unit } = workload;
  const say = printToStderr;
  if (!process.stderr.isTTY) {
    let shownMs = Number.NEGATIVE_INFINITY;
    return {
      show: (now, perSecond) => {
        if (performance.now() - shownMs < SHOW_EVERY_MS) return;
        shownMs = performance.now();
        say(toJson({ done: now, total, perSecond, resume: workload.resume }));
      },
      say,
      close: () => {},
    };
  }
  const { default: cliProgress } = await import('cli-progress');
  const bar = new cliProgress.SingleBar({
    format: `{bar} {percentage}% | {value}/{total} ${unit} | {perSecond}/s | {eta_formatted} left`,
    stream: process.stderr,
    hideCursor: true,
    clearOnComplete: true,
  });
  bar.start(total, done, { perSecond: 0 });
  return {
    show: (now, perSecond) => bar.update(now, { perSecond }),
    say: (text) => {
      bar.stop();
      say(text);
    },
    close: () => bar.stop(),
  };
}
