import type { Recovery } from './cluster-campaign.ts';

/** How often, how slowly, and whether at all the service recovered, by kind of fault. */
export class RecoveryTable {
  readonly #targetMs: number;
  readonly #limitMs: number;
  readonly #recoveries = new Map<string, Recovery[]>();

  /** @param limitMs after which a recovery is a failure; up to there it is printed */
  constructor(targetMs: number, limitMs: number) {
    this.#targetMs = targetMs;
    this.#limitMs = limitMs;
  }

  /** @returns a line about one fault */
  add(fault: string, recoveries: readonly Recovery[]): string {
    this.#recoveries.set(fault, [...(this.#recoveries.get(fault) ?? []), ...recoveries]);
    const times = recoveries.map(({ sinceOrderMs, sinceReadyMs, isStuck }) =>
      isStuck ? 'STUCK' : `${sinceReadyMs} ms (${sinceOrderMs} ms since the order)`,
    );
    return `${fault}: answered again after ${times.join(', ')}`;
  }

  /** What took longer than it may, a line each. */
  tooSlow(): readonly string[] {
    return [...this.#recoveries].flatMap(([fault, recoveries]) =>
      recoveries
        .filter(({ sinceReadyMs, isStuck }) => !isStuck && sinceReadyMs > this.#limitMs)
        .map(({ sinceReadyMs }) => `It took ${sinceReadyMs} ms to recover from: ${fault}`),
    );
  }

  /** The table for people. @param findings the judge's, which begin with their kind */
  text(findings: readonly string[]): string {
    const lines = [...this.#recoveries].map(([fault, recoveries]) => {
      const slowestMs = Math.max(...recoveries.map(({ sinceReadyMs }) => sinceReadyMs));
      const late = recoveries.filter(({ sinceReadyMs }) => sinceReadyMs > this.#targetMs).length;
      const stuck = recoveries.filter(({ isStuck }) => isStuck).length;
      return `${fault}: ${recoveries.length} times, slowest ${slowestMs} ms, ${late} over ${this.#targetMs} ms, ${stuck} stuck`;
    });
    const count = (...kinds: readonly string[]) =>
      findings.filter((finding) => kinds.some((kind) => finding.startsWith(`${kind}:`))).length;
    const lost = count('unanswered', 'lost');
    const repeated = count('answered-twice', 'dead-letter-twice');
    return [...lines, `lost: ${lost}, repeated: ${repeated}, findings: ${findings.length}`].join('\n');
  }
}
