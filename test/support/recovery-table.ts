import type { Recovery } from './cluster-campaign.ts';

/** How often, how slowly, and whether at all the service recovered, by kind of fault. */
export class RecoveryTable {
  readonly #targetMs: number;
  readonly #recoveries = new Map<string, Recovery[]>();

  /** @param targetMs how soon the service ought to recover; the table counts what took longer */
  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /** @returns a line about one fault */
  add(fault: string, recoveries: readonly Recovery[]): string {
    this.#recoveries.set(fault, [...(this.#recoveries.get(fault) ?? []), ...recoveries]);
    const times = recoveries.map(({ sinceOrderMs, sinceReadyMs, isStuck }) =>
      isStuck ? 'STUCK' : `${sinceReadyMs} ms (${sinceOrderMs} ms since the order)`,
    );
    return `${fault}: answered again after ${times.join(', ')}`;
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
    return [...lines, `lost: ${lost}, repeated: ${repeated}, findings: ${findings.length}`].join(
      '\n',
    );
  }
}
