import type { LogRecord } from '../../src/service-layer/records.ts';

/**
 * Checks each publication when it is decided. At no moment may an event be published while an
 * earlier one of its product is not: a database that is lost just then could not be rebuilt.
 */
export class SequenceWatch {
  readonly violations: { readonly kind: 'ahead'; readonly detail: string }[] = [];
  readonly #seen = new Map<string, Set<number>>();

  published(records: readonly LogRecord[]): void {
    const skus = new Set<string>();
    for (const [sku, sequence] of records.flatMap(sequencesOf)) {
      const seen = this.#seen.get(sku) ?? new Set();
      this.#seen.set(sku, seen.add(sequence));
      skus.add(sku);
    }
    for (const sku of skus) {
      const seen = this.#seen.get(sku) as Set<number>;
      const last = Math.max(...seen);
      if (last !== seen.size)
        this.violations.push({
          kind: 'ahead',
          detail: `${sku}: ${last} is published, with ${seen.size} events in all`,
        });
    }
  }
}

/** @returns null for what is no event, which the judge reports */
function parsed(text: string) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function sequencesOf({ value, headers }: LogRecord): (readonly [sku: string, sequence: number])[] {
  const data = headers.ce_type === undefined ? null : parsed(String(value));
  if (data === null) return [];
  if (String(headers.ce_type) !== 'CompositeDomainEvent')
    return headers.ce_sequence ? [[data.sku, Number(headers.ce_sequence)]] : [];
  const events = data.events as readonly {
    readonly sequence?: string;
    readonly data: { readonly sku: string };
  }[];
  return events.flatMap((event) =>
    event.sequence === undefined ? [] : [[event.data.sku, Number(event.sequence)] as const],
  );
}
