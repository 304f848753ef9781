import type { MetricBook, Sample } from './book.ts';
import { Reading } from './reading.ts';

/** What waits in the database, for all lanes of all instances. */
export interface Backlog {
  readonly outboxRows: number;
  readonly outboxBytes: number;
  readonly parkedCommands: number;
  readonly parkedProducts: number;
}

export interface BacklogSources {
  /** Counts what waits in the database. It may be slow. */
  readonly backlog: () => Promise<Backlog>;
  /** The most commands that may be parked (PARKED_TOTAL_LIMIT). */
  readonly parkedCommandsLimit: number;
}

const GAUGES: readonly { name: string; help: string; key: keyof Backlog }[] = [
  {
    name: 'allocation_outbox_rows',
    help: 'Transactions in the table outbox, including published ones that are not deleted yet',
    key: 'outboxRows',
  },
  {
    name: 'allocation_outbox_bytes',
    help: 'Bytes of the answers in the table outbox',
    key: 'outboxBytes',
  },
  {
    name: 'allocation_parked_commands',
    help: 'Commands that failed, or wait behind one that did',
    key: 'parkedCommands',
  },
  {
    name: 'allocation_parked_products',
    help: 'Products with at least one parked command',
    key: 'parkedProducts',
  },
];

const OF_DATABASE =
  ' (of the whole database, so equal on every instance; counted at the scrape before)';

/** Exports what waits in the database. A silent database holds no scrape back. */
export function exportBacklog(book: MetricBook, sources: BacklogSources): void {
  const backlog = new Reading(sources.backlog);
  for (const { name, help, key } of GAUGES)
    book.gauge({ name, help: help + OF_DATABASE }, () => sampleOf(backlog.take()?.[key]));
  book.gauge(
    {
      name: 'allocation_parked_commands_limit',
      help: 'The most commands that may be parked (PARKED_TOTAL_LIMIT). Lanes wait at this limit',
    },
    () => [{ value: sources.parkedCommandsLimit }],
  );
}

function sampleOf(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [{ value }];
}
