/** A table that copies of the database have. */
export interface ServiceTable {
  /** The key is made of this many columns, from the first on. */
  readonly keyColumns: number;
  /** Bytes travel as hexadecimal text. */
  readonly columns: Readonly<Record<string, 'text' | 'bigint'>>;
}

/** The tables of the service. A table comes after the tables that it references. */
export const TABLES: Readonly<Record<string, ServiceTable>> = {
  products: {
    keyColumns: 1,
    columns: {
      sku: 'text',
      version: 'bigint',
      source_topic: 'text',
      source_partition: 'bigint',
      next_offset: 'bigint',
    },
  },
  batches: {
    keyColumns: 1,
    columns: {
      id: 'bigint',
      reference: 'text',
      sku: 'text',
      quantity: 'bigint',
      eta: 'text',
      allocated_quantity: 'bigint',
    },
  },
  order_lines: {
    keyColumns: 1,
    columns: { id: 'bigint', orderid: 'text', sku: 'text', qty: 'bigint' },
  },
  allocations: {
    keyColumns: 1,
    columns: { id: 'bigint', batch_id: 'bigint', orderline_id: 'bigint' },
  },
  source_positions: {
    keyColumns: 2,
    columns: {
      topic: 'text',
      partition: 'bigint',
      next_offset: 'bigint',
      next_sequence: 'bigint',
      log_id: 'text',
      leader_epoch: 'bigint',
      owner_group: 'text',
      former_group: 'text',
      has_former_id: 'bigint',
      pause: 'text',
    },
  },
  processed_commands: { keyColumns: 1, columns: { id: 'text', scope: 'bigint' } },
  parked_commands: {
    keyColumns: 2,
    columns: {
      id: 'text',
      identity: 'text',
      subjects: 'text',
      behind: 'text',
      position: 'bigint',
      is_redriven: 'bigint',
      replaces: 'text',
    },
  },
  outbox: {
    keyColumns: 3,
    columns: {
      source_topic: 'text',
      source_partition: 'bigint',
      sequence: 'bigint',
      next_offset: 'bigint',
      records: 'text',
      rests_on: 'text',
    },
  },
};

/** How many rows one statement of a copy takes. */
export const PAGE_ROWS = 5_000;
