import type { Logger } from 'pino';

/** How long further warnings of one kind are counted instead of printed. */
const WINDOW_MS = 60_000;
/** How often the counters check whether their windows are over. */
const LOOK_MS = 1_000;

/** One kind of warning. `W` is what a warning is about: a small value, because the last is kept. */
interface WarningKind<W> {
  /** Says what happened once more: "order was out of stock". */
  readonly one: string;
  /** Says what happened several times more: "orders were out of stock". */
  readonly many: string;
  /** Ends the line with the count: where to read on. Default: nothing. */
  readonly hint?: string;
  /** Names the subject of a warning. Each subject has one line. Default: all have one subject. */
  readonly subjectOf?: (about: W) => string;
  /** The most subjects that have a line of their own. Warnings about others are only counted. */
  readonly maxSubjects: number;
  /** Whether a quiet minute forgets the subjects. Otherwise each has one line for ever. */
  readonly forgets: boolean;
  readonly describe: (about: W) => {
    /** The ids to search by. */
    readonly fields: object;
    readonly text: string;
    /** Names the thing in a few words, for the line with the count. */
    readonly name: string;
  };
}

/** Keeps repeats of a warning from filling the log: one line a minute tells how many came. */
export class RepeatedWarnings {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #counters: Pick<WarningCounter<unknown>, 'look' | 'print'>[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(log: Pick<Logger, 'warn'>) {
    this.#log = log;
  }

  /** Makes the counter of one kind of warning. */
  of<W>(kind: WarningKind<W>): WarningCounter<W> {
    const counter = new WarningCounter(this.#log, kind);
    this.#counters.push(counter);
    return counter;
  }

  /** Begins to print each count once its minute is over. Before, only a next warning prints it. */
  start(): void {
    this.#timer = setInterval(() => {
      for (const counter of this.#counters) counter.look();
    }, LOOK_MS).unref();
  }

  /** Prints the counts so far, and ends. */
  close(): void {
    clearInterval(this.#timer);
    for (const counter of this.#counters) counter.print();
  }
}

/**
 * Prints the first warning about each subject at once, and counts the others.
 *
 *   quiet ──a warning──▶ counting ──60 s with further warnings──▶ counting
 *     ▲                     │
 *     └──60 s without any───┘
 */
export class WarningCounter<W> {
  readonly #log: Pick<Logger, 'warn'>;
  readonly #kind: WarningKind<W>;
  readonly #subjects = new Set<string>();
  /** When the counting began. Null: quiet. */
  #sinceMs: number | null = null;
  #count = 0;
  #last: W | null = null;

  constructor(log: Pick<Logger, 'warn'>, kind: WarningKind<W>) {
    this.#log = log;
    this.#kind = kind;
  }

  /** Prints or counts a warning. @param times how often the same happened at this moment */
  warn(about: W, times = 1): void {
    this.look();
    this.#sinceMs ??= performance.now();
    const isPrinted = this.#printIfNew(about);
    const repeats = isPrinted ? times - 1 : times;
    if (repeats === 0) return;
    this.#count += repeats;
    this.#last = about;
  }

  /** Prints the count if a minute is over. */
  look(): void {
    if (this.#sinceMs === null || performance.now() - this.#sinceMs < WINDOW_MS) return;
    if (this.#count > 0) {
      this.print();
      this.#sinceMs = performance.now();
    } else {
      this.#sinceMs = null;
      if (this.#kind.forgets) this.#subjects.clear();
    }
  }

  /** Prints the count, unless nothing was counted. */
  print(): void {
    if (this.#last === null || this.#sinceMs === null) return;
    const { one, many, hint, describe } = this.#kind;
    const { fields, name } = describe(this.#last);
    const count = this.#count;
    const seconds = Math.max(1, Math.round((performance.now() - this.#sinceMs) / 1_000));
    const what = `${count} more ${count === 1 ? one : many} in the last ${seconds} s`;
    this.#log.warn(
      { ...fields, count },
      `${what}, the last: ${name}${hint === undefined ? '' : `. ${hint}`}`,
    );
    this.#count = 0;
    this.#last = null;
  }

  #printIfNew(about: W): boolean {
    const { subjectOf, maxSubjects, describe } = this.#kind;
    const subject = subjectOf?.(about) ?? '';
    if (this.#subjects.size >= maxSubjects || this.#subjects.has(subject)) return false;
    this.#subjects.add(subject);
    const { fields, text } = describe(about);
    this.#log.warn(fields, text);
    return true;
  }
}
