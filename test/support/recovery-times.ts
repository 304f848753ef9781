/** A slower recovery counts as none. A busy machine may add 20 s to what a quiet one needs. */
const LIMIT_MS = 30_000;
/**
 * The share of recoveries from one kind of fault that may be late, because the machine is shared.
 */
const LATE_PART = 0.1;

interface Recovery {
  readonly ms: number;
  readonly targetMs: number;
}

/** Records how soon the service recovered, by kind of fault. */
export class RecoveryTimes {
  readonly #recoveries = new Map<string, Recovery[]>();
  readonly #isStrict: boolean;

  /**
   * @param isStrict whether the run has the machine to itself, as a run with FAULTS=all ought to
   * have
   */
  constructor(isStrict = process.env.FAULTS === 'all') {
    this.#isStrict = isStrict;
  }

  /**
   * Adds one recovery.
   * @param targetMs how soon the service ought to have recovered
   */
  add(fault: string, ms: number, targetMs: number): void {
    this.#recoveries.set(fault, [
      ...(this.#recoveries.get(fault) ?? []),
      { ms: Math.round(ms), targetMs },
    ]);
  }

  /** Returns one line for each kind of fault. */
  text(): string {
    const lines = [...this.#recoveries].map(([fault, recoveries]) => {
      const times = recoveries.map(({ ms }) => ms).sort((one, other) => one - other);
      const median = times[Math.floor(times.length / 2)];
      const late = recoveries.filter(isLate).length;
      return (
        `${fault}: ${times.length} times, median ${median} ms, slowest ${times.at(-1)} ms, ` +
        `${late} over ${recoveries[0]?.targetMs} ms`
      );
    });
    return `Recovered from\n${lines.join('\n')}\n`;
  }

  /**
   * Returns the recoveries that took too long, one line each: every recovery beyond 30 s. A strict
   * run also lists all late recoveries of a kind of fault when more than a tenth of them are late;
   * one is always allowed.
   */
  complaints(): readonly string[] {
    return [...this.#recoveries].flatMap(([fault, recoveries]) => {
      const late = recoveries.filter(isLate);
      const isTooOften = this.#isStrict && late.length > Math.ceil(recoveries.length * LATE_PART);
      const wrong = isTooOften ? late : late.filter(({ ms }) => ms > LIMIT_MS);
      return wrong.map(
        ({ ms, targetMs }) =>
          `It took ${ms} ms instead of ${targetMs} ms to recover from: ${fault}`,
      );
    });
  }
}

function isLate({ ms, targetMs }: Recovery): boolean {
  return ms > targetMs;
}
