import { createInterface } from 'node:readline/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, Option } from 'commander';
import { ReplayRefusedError } from '../../replay/errors.ts';
import { ForeignRecordError } from '../../replay/foreign-records.ts';
import { quoted } from '../../replay/recovery-advice.ts';
import { positive } from '../command-arguments.ts';
import { jsonOption, print, printJson } from '../output.ts';

/** What every replay takes. */
export interface ActOptions {
  /** Without it, it is asked on a terminal, and nothing done elsewhere. */
  readonly execute: boolean;
  readonly maxRate?: number;
  readonly json: boolean;
}

/** Somebody pressed Ctrl-C. */
export class InterruptedError extends Error {}

const PROGRESS_EVERY_MS = 1_000;
/** What a shell takes a process for that SIGINT has ended. */
const INTERRUPTED_EXIT_CODE = 130;

/** Adds the options that every replay takes. */
export function addActOptions(command: Command): Command {
  return command
    .addOption(executeOption())
    .addOption(
      new Option('--max-rate <records>', 'read at most so many records per second').argParser(
        positive,
      ),
    )
    .addOption(jsonOption());
}

export function executeOption(): Option {
  return new Option('--execute', 'do it, without asking').default(false);
}

export function skipForeignOption(): Option {
  return new Option(
    '--skip-foreign',
    'skip, and count, what others wrote into the events topic',
  ).default(false);
}

/** Waits for the work. A refusal of what others wrote into the events topic then also says the command that skips it. */
export async function orSkip<T>(work: Promise<T>): Promise<T> {
  return work.catch((error: unknown) => {
    if (!(error instanceof ForeignRecordError)) throw error;
    const typed = process.argv.slice(2).map((argument) => quoted(withoutPassword(argument)));
    throw new ReplayRefusedError(
      `${error.message}. Look at it; to skip what others wrote: npx allocation ${typed.join(' ')} --skip-foreign`,
      { cause: error },
    );
  });
}

function withoutPassword(argument: string): string {
  return argument.replace(/(:\/\/[^/?#:@]*:)[^/?#]+@/, '$1***@');
}

/** Shows the plan, and asks on a terminal. @returns whether to go ahead */
export async function isWanted(
  plan: Readonly<Record<string, string | number>>,
  { execute, json }: ActOptions,
): Promise<boolean> {
  if (json) printJson({ plan, execute });
  else {
    const width = Math.max(...Object.keys(plan).map((name) => name.length));
    for (const [name, value] of Object.entries(plan)) print(`${name.padEnd(width)}  ${value}`);
  }
  if (execute) return true;
  if (!json && process.stdin.isTTY && process.stdout.isTTY) {
    const terminal = createInterface({ input: process.stdin, output: process.stdout });
    const answer = await terminal.question('\nGo ahead? (y/N) ');
    terminal.close();
    if (/^y(es)?$/i.test(answer.trim())) return true;
  }
  if (!json) print('\nNothing is done. To do it, add --execute');
  return false;
}

export interface Act {
  /** Some more of the whole are done. Resolves when the rate allows the next. */
  readonly advance: (count: number) => Promise<void>;
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
}

/** How much there is to do, and how much of it was done before. */
export interface Whole {
  readonly total: number;
  readonly done: number;
  readonly unit: string;
  /** Read when it is interrupted. */
  readonly howToGoOn: string;
  /** Where it stands by now, of what does not find that out by itself. */
  readonly resume?: string;
}

/**
 * Does it with a bar, the rate and the time left on a terminal, JSON lines on stderr elsewhere. Ctrl-C aborts the signal: what then throws says how to go on.
 * @returns what came of it, and in how many seconds; null: it was interrupted
 */
export async function carryOut<T>(
  whole: Whole,
  { maxRate, json }: ActOptions,
  work: (act: Act) => Promise<T>,
): Promise<{ readonly result: T; readonly seconds: number } | null> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort(new InterruptedError('Interrupted'));
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  const meter = await openMeter(whole);
  const startedMs = performance.now();
  const elapsedSeconds = () => (performance.now() - startedMs) / 1_000;
  let count = 0;
  try {
    const result = await work({
      signal: interruption.signal,
      advance: async (more) => {
        count += more;
        meter.show(whole.done + count, Math.round(count / Math.max(0.001, elapsedSeconds())));
        const tooEarlyMs = maxRate === undefined ? 0 : (count / maxRate - elapsedSeconds()) * 1_000;
        if (tooEarlyMs > 0) await sleep(tooEarlyMs, undefined, { signal: interruption.signal });
      },
    });
    return { result, seconds: Math.round(elapsedSeconds() * 10) / 10 };
  } catch (error) {
    if (!interruption.signal.aborted) throw error;
    process.exitCode = INTERRUPTED_EXIT_CODE;
    if (json)
      printJson({
        result: 'interrupted',
        done: whole.done + count,
        total: whole.total,
        resume: whole.resume,
      });
    meter.say(
      `Interrupted at ${whole.done + count} of ${whole.total} ${whole.unit}. ${whole.howToGoOn}`,
    );
    return null;
  } finally {
    meter.close();
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

interface Meter {
  show(done: number, perSecond: number): void;
  say(text: string): void;
  close(): void;
}

async function openMeter(whole: Whole): Promise<Meter> {
  const { total, done, unit } = whole;
  const say = (text: string) => process.stderr.write(`${text}\n`);
  if (!process.stderr.isTTY) {
    let shownMs = Number.NEGATIVE_INFINITY;
    return {
      show: (now, perSecond) => {
        if (performance.now() - shownMs < PROGRESS_EVERY_MS) return;
        shownMs = performance.now();
        say(JSON.stringify({ done: now, total, perSecond, resume: whole.resume }));
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
