import type { Dialect } from '../connection/database-url.ts';

/** Creates the tables that hold the events until the fold. */
export function stagingTables(dialect: Dialect): readonly string[] {
  const withoutRowid = dialect === 'sqlite' ? 'without rowid' : '';
  const eventColumns = `sku text not null, sequence bigint not null, id text not null,
    source_partition int not null, source_offset bigint not null`;
  return [
    `create table if not exists replay_events (sku text not null, sequence bigint not null,
      type text not null, reference text null, orderid text null, quantity bigint null,
      eta text null, id text not null, source_partition int not null,
      source_offset bigint not null, primary key (sku, sequence)) ${withoutRowid}`,
    'create table if not exists replay_answers (id text not null, scope int not null)',
    `create table if not exists replay_repeats (${eventColumns})`,
    `create table if not exists replay_conflicts (${eventColumns})`,
    `create table if not exists replay_progress
      (source_partition int not null primary key, next_offset bigint not null)`,
  ];
}

/**
 * Notes events whose product and sequence another event already has.
 * @param rows the new events, as `jsonRows` returns them
 */
export function noteRepeats(rows: string): string {
  return `insert into replay_repeats (sku, sequence, id, source_partition, source_offset)
  select added.sku, added.sequence, added.id, added.source_partition, added.source_offset
  from ${rows} as added
  join replay_events as first on first.sku = added.sku and first.sequence = added.sequence
  where first.id <> added.id or first.source_partition <> added.source_partition
    or first.source_offset <> added.source_offset`;
}

/**
 * Notes events that contradict the first event of the same product and sequence.
 * @param rows the new events, as `jsonRows` returns them
 */
export function noteConflicts(rows: string): string {
  const names = ['id', 'type', 'reference', 'orderid', 'quantity', 'eta'];
  const differs = names.map((name) => `first.${name} is distinct from added.${name}`);
  return `insert into replay_conflicts (sku, sequence, id, source_partition, source_offset)
  select added.sku, added.sequence, added.id, added.source_partition, added.source_offset
  from ${rows} as added
  join replay_events as first on first.sku = added.sku and first.sequence = added.sequence
  where ${differs.join(' or ')}`;
}

/** The events behind a gap in the sequence of their product. The database's state counts too. */
export const BEHIND_A_GAP = `select sku, sequence, expected from (
    select replay_events.sku, replay_events.sequence,
      coalesce(products.version, 0) + row_number() over (
        partition by replay_events.sku order by replay_events.sequence) as expected
    from replay_events left join products on products.sku = replay_events.sku
    where replay_events.sequence > coalesce(products.version, 0)
  ) as counted where sequence <> expected`;

const THEIR_LINES = `select order_lines.id from replay_lines
  join order_lines on order_lines.orderid = replay_lines.orderid
    and order_lines.sku = replay_lines.sku`;

/**
 * The statements of the fold, in their order. Sorted ids go into an index faster. Allocations are
 * inserted in the order of their sequences, because a higher id means a newer allocation.
 */
export const FOLD = [
  `insert into processed_commands (id, scope)
   select id, min(scope) from replay_answers where true group by id order by id
   on conflict (id) do update set scope = excluded.scope
     where processed_commands.scope > excluded.scope`,
  `insert into products (sku, version)
   select sku, max(sequence) from replay_events where true group by sku
   on conflict (sku) do update set version = excluded.version`,
  `insert into batches (reference, sku, quantity, eta, allocated_quantity)
   select reference, sku, quantity, eta, 0 from replay_events
   where type = 'BatchCreated' order by sku, sequence`,
  `update batches set quantity = changed.quantity
   from (
     select reference, quantity,
       row_number() over (partition by sku, reference order by sequence desc) as newest
     from replay_events where type = 'BatchQuantityChanged'
   ) as changed
   where changed.newest = 1 and batches.reference = changed.reference`,
  `create table replay_lines as
   select sku, sequence, type, reference, orderid, quantity
   from (
     select sku, sequence, type, reference, orderid, quantity,
       row_number() over (partition by sku, orderid order by sequence desc) as newest
     from replay_events where type in ('Allocated', 'Deallocated')
   ) as lines
   where newest = 1`,
  `delete from allocations where orderline_id in (${THEIR_LINES})`,
  `delete from order_lines where id in (${THEIR_LINES})`,
  `insert into order_lines (orderid, sku, qty)
   select orderid, sku, quantity from replay_lines
   where type = 'Allocated' order by sku, sequence`,
  `insert into allocations (batch_id, orderline_id)
   select batches.id, order_lines.id from replay_lines
   join batches on batches.reference = replay_lines.reference
   join order_lines on order_lines.orderid = replay_lines.orderid
     and order_lines.sku = replay_lines.sku
   where replay_lines.type = 'Allocated' order by replay_lines.sku, replay_lines.sequence`,
  `update batches set allocated_quantity = cast(coalesce((
     select sum(order_lines.qty) from allocations
     join order_lines on order_lines.id = allocations.orderline_id
     where allocations.batch_id = batches.id
   ), 0) as bigint)
   where reference in (
     select reference from replay_events where type in ('Allocated', 'Deallocated'))`,
];

/** Counts the folded lines that are allocated, and how many of them have found their batch. */
export const COUNT_ALLOCATED = `select
  (select count(*) from replay_lines where type = 'Allocated') as lines,
  (select count(*) from replay_lines
    join order_lines on order_lines.orderid = replay_lines.orderid
      and order_lines.sku = replay_lines.sku
    join allocations on allocations.orderline_id = order_lines.id
    where type = 'Allocated') as allocated`;
