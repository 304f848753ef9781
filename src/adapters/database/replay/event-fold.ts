import { AllocationError } from '../../../domain/errors.ts';
import type { Identity } from '../../../domain/identity.ts';
import type { Database } from '../database.ts';
import { jsonRows } from '../json-rows.ts';
import { rowsOf } from '../lanes/processed-commands.ts';
import type { Sql } from '../transaction.ts';
import {
  BEHIND_A_GAP,
  COUNT_ALLOCATED,
  FOLD,
  noteConflicts,
  noteRepeats,
  stagingTables,
} from './fold-statements.ts';

/** An event about a product's state, with its place in the events topic. */
export interface FoldedEvent {
  readonly sku: string;
  /** The event's `ce_sequence`. */
  readonly sequence: number;
  readonly type:
    | 'BatchCreated'
    | 'Allocated'
    | 'OutOfStock'
    | 'Deallocated'
    | 'BatchQuantityChanged';
  /** The reference of the batch. */
  readonly reference: string | null;
  readonly orderid: string | null;
  readonly quantity: number | null;
  readonly eta: string | null;
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
}

/** A gap: from the sequence `missing` on, `count` events of the product cannot be folded. */
interface SequenceGap {
  readonly sku: string;
  readonly missing: number;
  readonly count: number;
}

/** Two different events of one product and sequence, each with its id and `partition/offset`. */
export interface EventConflict {
  readonly sku: string;
  readonly sequence: number;
  readonly firstId: string;
  readonly firstPlace: string;
  readonly otherId: string;
  readonly otherPlace: string;
}

/** The events need a batch that neither they nor the database have. */
export class UnfoldableError extends AllocationError {
  override readonly code = 'unfoldable';
}

/**
 * Builds products, batches and allocations from events. The number of statements does not depend on
 * the number of events.
 *
 * 1. `add` stages the events chunk by chunk, by sku and sequence. It also notes which commands they
 *    answer, and up to which offset each partition was read. The staged events survive a crash, and
 *    reading goes on at that offset.
 * 2. `fold` runs in one transaction. A product takes its highest sequence. A batch takes its
 *    creation and its last quantity. A line takes its last event, an allocation or not.
 *
 * The database may hold an older state. The fold skips events that this state already contains.
 *
 * Rule: only a product's events, in the order of `ce_sequence`, ever change the product.
 */
export class EventFold {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Creates the staging tables if they are missing. */
  async prepare(): Promise<void> {
    for (const table of stagingTables(this.#database.dialect)) await this.#database.query(table);
  }

  /**
   * Returns the offset up to which each partition of the events topic was read. A partition without
   * an entry was not read.
   */
  async progress(): Promise<ReadonlyMap<number, number>> {
    const rows = await this.#database.query<{ source_partition: number; next_offset: number }>(
      'select source_partition, next_offset from replay_progress',
    );
    return new Map(rows.map((row) => [row.source_partition, row.next_offset]));
  }

  /**
   * Stages events, and notes the commands that they answer.
   * @param read the partition of the events, and the offset up to which it was read
   * @returns how many events had a product and sequence that was staged already
   */
  async add(
    events: readonly FoldedEvent[],
    answered: readonly Identity[],
    read: { readonly partition: number; readonly nextOffset: number },
  ): Promise<number> {
    const { dialect } = this.#database;
    return this.#database.transaction(async (sql) => {
      const [added] = await Promise.all([
        sql.run(
          `insert into replay_events (${EVENT_NAMES})
           select ${EVENT_NAMES} from ${jsonRows(dialect, EVENT)} as added where true
           on conflict (sku, sequence) do nothing`,
          [JSON.stringify(events.map(asRow))],
        ),
        this.#note(sql, answered),
        sql.run(
          `insert into replay_progress (source_partition, next_offset) values (?, ?)
           on conflict (source_partition) do update set next_offset = excluded.next_offset`,
          [read.partition, read.nextOffset],
        ),
      ]);
      const repeated = events.length - added;
      for (const note of repeated > 0 ? [noteRepeats, noteConflicts] : [])
        await sql(note(jsonRows(dialect, EVENT)), [JSON.stringify(events.map(asRow))]);
      return repeated;
    });
  }

  /** Notes answered commands that no event mentions. */
  async addAnswered(answered: readonly Identity[]): Promise<void> {
    if (answered.length > 0) await this.#database.transaction((sql) => this.#note(sql, answered));
  }

  async #note(sql: Sql, answered: readonly Identity[]): Promise<void> {
    const rows = jsonRows(this.#database.dialect, { id: 'text', scope: 'bigint' });
    await sql(`insert into replay_answers (id, scope) select id, scope from ${rows} as answered`, [
      JSON.stringify(rowsOf(answered)),
    ]);
  }

  /** Returns the gaps in the sequences of the products. The database's state counts too. */
  async gaps(atMost: number): Promise<readonly SequenceGap[]> {
    return this.#database.query<SequenceGap>(
      `select sku, min(expected) as missing, count(*) as count from (${BEHIND_A_GAP}) as behind
       group by sku order by sku limit ?`,
      [atMost],
    );
  }

  /** Returns events whose product and sequence another event had before. */
  async repeats(): Promise<
    readonly { readonly sku: string; readonly sequence: number; readonly event: string }[]
  > {
    return this.#database.query(
      `select sku, sequence, id || ' at ' || source_partition || '/' || source_offset as event
       from replay_repeats where source_partition >= 0 order by sku, sequence`,
    );
  }

  /**
   * Returns events of one product and sequence that differ in id or content. An event that was read
   * twice is not a conflict.
   */
  async conflicts(atMost: number): Promise<readonly EventConflict[]> {
    return this.#database.query(
      `select other.sku, other.sequence,
         first.id as "firstId",
         first.source_partition || '/' || first.source_offset as "firstPlace",
         other.id as "otherId",
         other.source_partition || '/' || other.source_offset as "otherPlace"
       from replay_conflicts as other
       join replay_events as first on first.sku = other.sku and first.sequence = other.sequence
       order by other.sku, other.sequence, other.source_partition, other.source_offset limit ?`,
      [atMost],
    );
  }

  /** Returns events that lie behind an event of a higher sequence in their partition. */
  async outOfOrder(): Promise<
    readonly {
      readonly sku: string;
      readonly sequence: number;
      readonly previous: number;
      readonly event: string;
    }[]
  > {
    return this.#database.query(
      `select sku, sequence, previous,
         id || ' at ' || source_partition || '/' || source_offset as event
       from (
         select sku, sequence, id, source_partition, source_offset,
           lag(sequence) over (
             partition by sku, source_partition order by source_offset, sequence) as previous
         from replay_events where source_partition >= 0
       ) as placed where previous > sequence order by sku, sequence`,
    );
  }

  /**
   * Folds the staged events into the database, in one transaction.
   * @param finish does more work in the same transaction
   * @param signal checked between the statements
   * @returns how many events the database contained already
   * @throws {UnfoldableError} an event allocates from a batch that no event has created
   * @throws the signal's reason; then nothing is folded, and the events stay staged
   */
  async fold(finish: (sql: Sql) => Promise<void>, signal?: AbortSignal): Promise<number> {
    return this.#database.transaction(async (sql) => {
      // A tool that locks a table for long may delay the fold. A lock time-out would undo the fold.
      if (this.#database.dialect === 'postgresql') await sql('set local lock_timeout = 0');
      const known = await sql.run(
        `delete from replay_events where exists (
           select 1 from products where products.sku = replay_events.sku
             and products.version >= replay_events.sequence)`,
      );
      await sql(
        `delete from replay_events where (sku, sequence) in (
           select sku, sequence from (${BEHIND_A_GAP}) as behind)`,
      );
      for (const statement of FOLD) {
        signal?.throwIfAborted();
        await sql(statement);
      }
      const [counted] = await sql<{ lines: number; allocated: number }>(COUNT_ALLOCATED);
      if (counted && counted.allocated < counted.lines) {
        throw new UnfoldableError(
          `${counted.lines - counted.allocated} lines are allocated from batches that ` +
            'no event has created',
        );
      }
      await sql('drop table replay_lines');
      await finish(sql);
      return known;
    });
  }

  /** Drops the staging tables. */
  async forget(sql: Sql): Promise<void> {
    for (const table of ['events', 'answers', 'progress', 'repeats', 'conflicts'])
      await sql(`drop table if exists replay_${table}`);
  }
}

const EVENT = {
  sku: 'text',
  sequence: 'bigint',
  type: 'text',
  reference: 'text',
  orderid: 'text',
  quantity: 'bigint',
  eta: 'text',
  id: 'text',
  source_partition: 'bigint',
  source_offset: 'bigint',
} as const;
const EVENT_NAMES = Object.keys(EVENT).join(', ');

function asRow({
  sku,
  sequence,
  type,
  reference,
  orderid,
  quantity,
  eta,
  id,
  partition,
  offset,
}: FoldedEvent): readonly unknown[] {
  return [sku, sequence, type, reference, orderid, quantity, eta, id, partition, offset];
}
