import type { Batch } from '../../../domain/batch.ts';
import type { OrderLine } from '../../../domain/order-line.ts';
import { type Changes, SqlRepository } from './repository.ts';
import type { StockReader } from './stock-reader.ts';

/** What the database has of a batch. */
interface StoredBatch {
  readonly quantity: number;
  readonly allocatedQuantity: number;
  readonly lines: ReadonlySet<OrderLine>;
}

/** The changes of batches, and of the lines in them. */
export interface BatchChanges extends Changes<Batch, StoredBatch> {
  readonly linesLetGo: readonly OrderLine[];
  readonly linesTaken: readonly (readonly [batch: Batch, line: OrderLine])[];
}

/** Single batches, each with its lines. The service changes a batch through its product. */
export class SqlBatchRepository extends SqlRepository<Batch, string, StoredBatch> {
  readonly #reader: StockReader;

  constructor(reader: StockReader) {
    super();
    this.#reader = reader;
  }

  /**
   * Finds the changes. Lines are compared by object identity, because a line that is let go and
   * taken again is a new line, and the newest one.
   */
  override changes(): BatchChanges {
    const linesLetGo: OrderLine[] = [];
    const linesTaken: (readonly [Batch, OrderLine])[] = [];
    for (const [batch, stored] of this.tracked) {
      const lines = stored?.lines ?? NO_LINES;
      let kept = 0;
      for (const line of batch.lines) {
        if (lines.has(line)) kept += 1;
        else linesTaken.push([batch, line]);
      }
      if (kept === lines.size) continue;
      const current = new Set(batch.lines);
      for (const line of lines) if (!current.has(line)) linesLetGo.push(line);
    }
    return { ...super.changes(), linesLetGo, linesTaken };
  }

  protected override async load(reference: string): Promise<Batch | null> {
    const batch = await this.#reader.batch(reference);
    if (batch) await this.#reader.restoreAllLines(new Map([[reference, batch]]));
    return batch;
  }

  protected override keyOf({ reference }: Batch): string {
    return reference;
  }

  protected override nameOf(reference: string): string {
    return reference;
  }

  protected override storedOf({ quantity, allocatedQuantity, lines }: Batch): StoredBatch {
    return { quantity, allocatedQuantity, lines: new Set(lines) };
  }

  protected override hasChanged(batch: Batch, stored: StoredBatch): boolean {
    return (
      stored.quantity !== batch.quantity || stored.allocatedQuantity !== batch.allocatedQuantity
    );
  }
}

const NO_LINES: ReadonlySet<OrderLine> = new Set();
