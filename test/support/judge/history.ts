/** A record of a topic, with the headers as text. */
export interface HistoryRecord {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly key: string | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, string>>;
  /** The time of the decision, where the reader of the history knows better than `ce_time`. */
  readonly madeAt?: string;
  /**
   * The decision may have missed what others decided from this time on. Absent: the decision saw
   * everything that was decided before it.
   */
  readonly sinceAt?: string;
}

/** The content of the database at the end of a history. */
export interface StockTables {
  readonly products: readonly { readonly sku: string; readonly version: number }[];
  readonly batches: readonly {
    readonly reference: string;
    readonly sku: string;
    readonly quantity: number;
    readonly eta: string | null;
    readonly allocated: number;
  }[];
  readonly lines: readonly {
    readonly orderid: string;
    readonly sku: string;
    readonly qty: number;
    readonly batchref: string;
  }[];
  /** The identities of processed commands, as the service keeps them. */
  readonly processedIds: ReadonlySet<string>;
  /**
   * The ids that a former release has kept. Such an id counts for every source. Absent: there are
   * none.
   */
  readonly formerIds?: ReadonlySet<string>;
  readonly positions: readonly Position[];
  /** The end of each row of the outbox. */
  readonly outbox: readonly Position[];
  readonly parkedIds: readonly string[];
}

/** Where a lane stands: the offset of the next command. */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly nextOffset: number;
}

/** Everything that a run has left behind, as anybody can read it. */
export interface History {
  readonly commands: readonly HistoryRecord[];
  readonly events: readonly HistoryRecord[];
  readonly deadLetters: readonly HistoryRecord[];
  readonly tables: StockTables;
  /** The committed offset of the group in each partition of the commands topic. */
  readonly committedOffsets: ReadonlyMap<number, number>;
  /**
   * The end of each partition of the commands topic. Transaction markers may lie between the last
   * command and the end.
   */
  readonly ends: ReadonlyMap<number, number>;
  /** The first remaining offsets. Absent: nothing was deleted. */
  readonly starts?: LogStarts;
}

/** The first offset that remains in each partition of a topic. */
export interface LogStarts {
  readonly commands: ReadonlyMap<number, number>;
  readonly events: ReadonlyMap<number, number>;
  readonly deadLetters: ReadonlyMap<number, number>;
}

/** Returns the place of a record as text: topic, partition and offset. */
export function placeOf({ topic, partition, offset }: HistoryRecord): string {
  return `${topic}/${partition}/${offset}`;
}
