/** Beyond this a recovery counts as none. A busy machine may add 20 s to what a quiet one needs. */
const LIMIT_MS = 30_000;
/** This part of the recoveries from one kind of fault may be late, because the machine is shared. */
const LATE_PART = 0.1;

interface Recovery {
  readonly ms: number;
  readonly targetMs: number;
}

/** How soon the service recovered, by kind of fault. */
export class RecoveryTimes {
  readonly #recoveries = new Map<string, Recovery[]>();
  readonly #isStrict: boolean;

  /** @param isStrict for a run that has the machine to itself, as FAULTS=all ought to have */
  constructor(isStrict = process.env.FAULTS === 'all') {
    this.#isStrict = isStrict;
  }

  /** @param targetMs how soon the service ought to have recovered */
  add(fault: string, ms: number, targetMs: number): void {
    this.#recoveries.set(fault, [
      ...(this.#recoveries.get(fault) ?? []),
      { ms: Math.round(ms), targetMs },
    ]);
  }

  /** A line for each kind of fault. */
  text(): string {
    const lines = [...this.#recoveries].map(([fault, recoveries]) => {
      const times = recoveries.map(({ ms }) => ms).sort((one, other) => one - other);
      const median = times[Math.floor(times.length / 2)];
      const late = recoveries.filter(isLate).length;
      return `${fault}: ${times.length} times, median ${median} ms, slowest ${times.at(-1)} ms, ${late} over ${recoveries[0]?.targetMs} ms`;
    });
    return `Recovered from\n${lines.join('\n')}\n`;
  }

  /**
   * What took too long: each recovery beyond 30 s. In a strict run also all that were late, for each
   * kind of fault with more than a tenth of late ones (one is always allowed).
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
