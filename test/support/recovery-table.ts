import type { Recovery } from './cluster-campaign.ts';

/** Counts recoveries by kind of fault: how many, how slow, and how many never came. */
export class RecoveryTable {
  readonly #targetMs: number;
  readonly #recoveries = new Map<string, Recovery[]>();

  /** @param targetMs how soon the service ought to recover; the table counts slower recoveries */
  constructor(targetMs: number) {
    this.#targetMs = targetMs;
  }

  /**
   * Adds the recoveries from one fault.
   * @returns one line about the fault
   */
  add(fault: string, recoveries: readonly Recovery[]): string {
    this.#recoveries.set(fault, [...(this.#recoveries.get(fault) ?? []), ...recoveries]);
    const times = recoveries.map(({ usualMs, sinceOrderMs, sinceReadyMs, isStuck }) =>
      isStuck
        ? 'STUCK'
        : `${sinceReadyMs} ms (${sinceOrderMs} ms since the order, ${usualMs} ms without a fault)`,
    );
    return `${fault}: answered again after ${times.join(', ')}`;
  }

  /**
   * Returns the table and the findings as text.
   * @param findings the findings, which begin with the kind of the violation
   */
  text(findings: readonly string[]): string {
    const lines = [...this.#recoveries].map(([fault, recoveries]) => {
      const slowestMs = Math.max(...recoveries.map(({ sinceReadyMs }) => sinceReadyMs));
      const late = recoveries.filter(({ sinceReadyMs }) => sinceReadyMs > this.#targetMs).length;
      const stuck = recoveries.filter(({ isStuck }) => isStuck).length;
      return (
        `${fault}: ${recoveries.length} times, slowest ${slowestMs} ms, ` +
        `${late} over ${this.#targetMs} ms, ${stuck} stuck`
      );
    });
    const count = (...kinds: readonly string[]) =>
      findings.filter((finding) => kinds.some((kind) => finding.startsWith(`${kind}:`))).length;
    const lost = count('unanswered', 'lost');
    const repeated = count('answered-twice', 'dead-letter-twice');
    const total = `lost: ${lost}, repeated: ${repeated}, findings: ${findings.length}`;
    return [...lines, total, ...findings].join('\n');
  }
}
