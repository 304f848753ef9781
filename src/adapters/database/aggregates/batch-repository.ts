import type { Batch } from '../../../domain/model.ts';
import type { ChangeTracker } from './change-tracker.ts';
import type { Repository } from './repository.ts';
import type { StockReader } from './stock-reader.ts';

/** Single batches, each with all its lines. The service changes a batch through its product. */
export class SqlBatchRepository implements Repository<Batch> {
  readonly #reader: StockReader;
  readonly #tracker: ChangeTracker;

  constructor(reader: StockReader, tracker: ChangeTracker) {
    this.#reader = reader;
    this.#tracker = tracker;
  }

  add(batch: Batch): void {
    this.#tracker.addBatch(batch);
  }

  async get(reference: string): Promise<Batch | null> {
    const known = this.#tracker.batch(reference);
    if (known) return known;
    const batch = await this.#reader.batch(reference);
    if (!batch) return null;
    await this.#reader.restoreAllLines(new Map([[reference, batch]]));
    this.#tracker.trackLines([batch]);
    return batch;
  }
}
