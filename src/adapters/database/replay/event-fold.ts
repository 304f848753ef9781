import type { Identity } from '../../../domain/identity.ts';
import type { Database } from '../database.ts';
import { jsonRows } from '../json-rows.ts';
import { rowsOf } from '../lanes/processed-commands.ts';
import type { Sql } from '../transaction.ts';

/** An event about a product's state, and where in the events topic it lies. */
export interface FoldedEvent {
  readonly sku: string;
  /** `ce_sequence` */
  readonly sequence: number;
  readonly type:
    | 'BatchCreated'
    | 'Allocated'
    | 'OutOfStock'
    | 'Deallocated'
    | 'BatchQuantityChanged';
  /** Of the batch. */
  readonly reference: string | null;
  readonly orderid: string | null;
  readonly quantity: number | null;
  readonly eta: string | null;
  readonly id: string;
  readonly partition: number;
  readonly offset: number;
}

/** From `missing` on, `count` events of the product cannot be folded. */
export interface SequenceGap {
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

/** Events rest on something that the database does not have. */
export class UnfoldableError extends Error {
  readonly code = 'unfoldable';
}

/**
 * Makes products, batches and allocations out of events, with one statement per table, however many they are.
 *
 * 1. `add`, chunk by chunk, as they come: the events are laid aside by sku and sequence, with the commands that they answer
 *    and how far each partition was read. A crash in between: what was laid aside stays, and the reading goes on there.
 * 2. `fold`, in one transaction: of each product its highest sequence; of each batch its creation and its last quantity; of each
 *    line its last event, an allocation or not.
 *
 * The database may hold an older state: events that it has already are passed over.
 *
 * Rule: a product's events in the order of `ce_sequence` are all that ever changed it (contract, "Events").
 */
export class EventFold {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** Makes the place where events are laid aside, if it is not there. */
  async prepare(): Promise<void> {
    const withoutRowid = this.#database.dialect === 'sqlite' ? 'without rowid' : '';
    await this.#database.query(
      `create table if not exists replay_events (sku text not null, sequence bigint not null, type text not null, reference text null,
        orderid text null, quantity bigint null, eta text null, id text not null, source_partition int not null, source_offset bigint not null,
        primary key (sku, sequence)) ${withoutRowid}`,
    );
    await this.#database.query(
      'create table if not exists replay_answers (id text not null, scope int not null)',
    );
    await this.#database.query(
      `create table if not exists replay_repeats (sku text not null, sequence bigint not null, id text not null, source_partition int not null,
        source_offset bigint not null)`,
    );
    await this.#database.query(
      `create table if not exists replay_conflicts (sku text not null, sequence bigint not null, id text not null, source_partition int not null,
        source_offset bigint not null)`,
    );
    await this.#database.query(
      'create table if not exists replay_progress (source_partition int not null primary key, next_offset bigint not null)',
    );
  }

  /** How far each partition of the events topic was read; a partition that is missing: not at all. */
  async progress(): Promise<ReadonlyMap<number, number>> {
    const rows = await this.#database.query<{ source_partition: number; next_offset: number }>(
      'select source_partition, next_offset from replay_progress',
    );
    return new Map(rows.map((row) => [row.source_partition, row.next_offset]));
  }

  /**
   * Lays events aside, and notes the commands that they answer.
   * @param read a partition, and how far it was read with these
   * @returns how many there were already, of that product and sequence
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
          `insert into replay_events (sku, sequence, type, reference, orderid, quantity, eta, id, source_partition, source_offset)
           select sku, sequence, type, reference, orderid, quantity, eta, id, source_partition, source_offset
           from ${jsonRows(dialect, EVENT)} as added where true on conflict (sku, sequence) do nothing`,
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
      for (const note of repeated > 0 ? [NOTE_REPEATS, NOTE_CONFLICTS] : [])
        await sql(note.replace('$rows', jsonRows(dialect, EVENT)), [
          JSON.stringify(events.map(asRow)),
        ]);
      return repeated;
    });
  }

  /** Notes commands that are answered, of which no event tells. */
  async addAnswered(answered: readonly Identity[]): Promise<void> {
    if (answered.length > 0) await this.#database.transaction((sql) => this.#note(sql, answered));
  }

  async #note(sql: Sql, answered: readonly Identity[]): Promise<void> {
    const rows = jsonRows(this.#database.dialect, { id: 'text', scope: 'bigint' });
    await sql(`insert into replay_answers (id, scope) select id, scope from ${rows} as answered`, [
      JSON.stringify(rowsOf(answered)),
    ]);
  }

  /** Where sequences have gaps, together with what the database holds. */
  async gaps(atMost: number): Promise<readonly SequenceGap[]> {
    return this.#database.query<SequenceGap>(
      `select sku, min(expected) as missing, count(*) as count from (${BEHIND_A_GAP}) as behind group by sku order by sku limit ?`,
      [atMost],
    );
  }

  /** Events of a product and sequence that another one had already. */
  async repeats(): Promise<
    readonly { readonly sku: string; readonly sequence: number; readonly event: string }[]
  > {
    return this.#database.query(
      `select sku, sequence, id || ' at ' || source_partition || '/' || source_offset as event from replay_repeats
       where source_partition >= 0 order by sku, sequence`,
    );
  }

  /** Events of one product and sequence that differ in their ids, or in what they say. An event that was read twice is none. */
  async conflicts(atMost: number): Promise<readonly EventConflict[]> {
    return this.#database.query(
      `select other.sku, other.sequence, first.id as "firstId", first.source_partition || '/' || first.source_offset as "firstPlace",
         other.id as "otherId", other.source_partition || '/' || other.source_offset as "otherPlace"
       from replay_conflicts as other join replay_events as first on first.sku = other.sku and first.sequence = other.sequence
       order by other.sku, other.sequence, other.source_partition, other.source_offset limit ?`,
      [atMost],
    );
  }

  /** Events that lie behind one of a higher sequence, in one partition. */
  async outOfOrder(): Promise<
    readonly {
      readonly sku: string;
      readonly sequence: number;
      readonly previous: number;
      readonly event: string;
    }[]
  > {
    return this.#database.query(
      `select sku, sequence, previous, id || ' at ' || source_partition || '/' || source_offset as event from (
         select sku, sequence, id, source_partition, source_offset,
           lag(sequence) over (partition by sku, source_partition order by source_offset, sequence) as previous
         from replay_events where source_partition >= 0
       ) as placed where previous > sequence order by sku, sequence`,
    );
  }

  /**
   * @param finish more that belongs to the same transaction
   * @param signal looked at between the statements
   * @throws {UnfoldableError} an allocation in a batch that was never created
   * @throws the signal's reason: nothing is folded, and what was laid aside is still there
   * @returns how many events the database had already
   */
  async fold(finish: (sql: Sql) => Promise<void>, signal?: AbortSignal): Promise<number> {
    return this.#database.transaction(async (sql) => {
      // Whoever locks a table for long, in a tool of his own, delays all of it, and must not undo it.
      if (this.#database.dialect === 'postgresql') await sql('set local lock_timeout = 0');
      const known = await sql.run(
        `delete from replay_events where exists
          (select 1 from products where products.sku = replay_events.sku and products.version >= replay_events.sequence)`,
      );
      await sql(
        `delete from replay_events where (sku, sequence) in (select sku, sequence from (${BEHIND_A_GAP}) as behind)`,
      );
      for (const statement of FOLD) {
        signal?.throwIfAborted();
        await sql(statement);
      }
      const [counted] = await sql<{ lines: number; allocated: number }>(
        `select (select count(*) from replay_lines where type = 'Allocated') as lines,
          (select count(*) from replay_lines join order_lines on order_lines.orderid = replay_lines.orderid and order_lines.sku = replay_lines.sku
            join allocations on allocations.orderline_id = order_lines.id where type = 'Allocated') as allocated`,
      );
      if (counted && counted.allocated < counted.lines) {
        throw new UnfoldableError(
          `${counted.lines - counted.allocated} lines are allocated in batches that no event has created`,
        );
      }
      await sql('drop table replay_lines');
      await finish(sql);
      return known;
    });
  }

  /** Throws away what was laid aside. */
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

const NOTE_REPEATS = `insert into replay_repeats (sku, sequence, id, source_partition, source_offset)
  select added.sku, added.sequence, added.id, added.source_partition, added.source_offset from $rows as added
  join replay_events as first on first.sku = added.sku and first.sequence = added.sequence
  where first.id <> added.id or first.source_partition <> added.source_partition or first.source_offset <> added.source_offset`;

const NOTE_CONFLICTS = `insert into replay_conflicts (sku, sequence, id, source_partition, source_offset)
  select added.sku, added.sequence, added.id, added.source_partition, added.source_offset from $rows as added
  join replay_events as first on first.sku = added.sku and first.sequence = added.sequence
  where ${['id', 'type', 'reference', 'orderid', 'quantity', 'eta'].map((name) => `first.${name} is distinct from added.${name}`).join(' or ')}`;

const BEHIND_A_GAP = `select sku, sequence, expected from (
    select replay_events.sku, replay_events.sequence,
      coalesce(products.version, 0) + row_number() over (partition by replay_events.sku order by replay_events.sequence) as expected
    from replay_events left join products on products.sku = replay_events.sku
    where replay_events.sequence > coalesce(products.version, 0)
  ) as counted where sequence <> expected`;

const THEIR_LINES = `select order_lines.id from replay_lines
  join order_lines on order_lines.orderid = replay_lines.orderid and order_lines.sku = replay_lines.sku`;

/** Ids in their order: a tree takes them faster. Of allocations the order is that of the sequences: a higher id is newer. */
const FOLD = [
  `insert into processed_commands (id, scope) select id, min(scope) from replay_answers where true group by id order by id
   on conflict (id) do update set scope = excluded.scope where processed_commands.scope > excluded.scope`,
  `insert into products (sku, version) select sku, max(sequence) from replay_events where true group by sku
   on conflict (sku) do update set version = excluded.version`,
  `insert into batches (reference, sku, quantity, eta, allocated_quantity)
   select reference, sku, quantity, eta, 0 from replay_events where type = 'BatchCreated' order by sku, sequence`,
  `update batches set quantity = changed.quantity
   from (
     select reference, quantity, row_number() over (partition by sku, reference order by sequence desc) as newest
     from replay_events where type = 'BatchQuantityChanged'
   ) as changed
   where changed.newest = 1 and batches.reference = changed.reference`,
  `create table replay_lines as
   select sku, sequence, type, reference, orderid, quantity
   from (
     select sku, sequence, type, reference, orderid, quantity, row_number() over (partition by sku, orderid order by sequence desc) as newest
     from replay_events where type in ('Allocated', 'Deallocated')
   ) as lines
   where newest = 1`,
  `delete from allocations where orderline_id in (${THEIR_LINES})`,
  `delete from order_lines where id in (${THEIR_LINES})`,
  `insert into order_lines (orderid, sku, qty)
   select orderid, sku, quantity from replay_lines where type = 'Allocated' order by sku, sequence`,
  `insert into allocations (batch_id, orderline_id)
   select batches.id, order_lines.id from replay_lines
   join batches on batches.reference = replay_lines.reference
   join order_lines on order_lines.orderid = replay_lines.orderid and order_lines.sku = replay_lines.sku
   where replay_lines.type = 'Allocated' order by replay_lines.sku, replay_lines.sequence`,
  `update batches set allocated_quantity = cast(coalesce((
     select sum(order_lines.qty) from allocations join order_lines on order_lines.id = allocations.orderline_id
     where allocations.batch_id = batches.id
   ), 0) as bigint)
   where reference in (select reference from replay_events where type in ('Allocated', 'Deallocated'))`,
];
