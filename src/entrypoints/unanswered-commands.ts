import type { ReceivedRecord } from '../service-layer/records.ts';

/** The commands of one transaction, whose answers wait for their publication. */
interface Decided {
  readonly nextOffset: number;
  /** When the first of them was sent. */
  readonly sentMs: number;
}

/**
 * Knows the send time of a lane's oldest delivered command without a published answer. The
 * knowledge survives a reopening of the lane. The relay's queue bounds the memory.
 */
export class UnansweredCommands {
  /** The first command that the lane has not decided. Null: it has decided all. */
  #first: Pick<ReceivedRecord, 'offset' | 'timestampMs'> | null = null;
  #decided: Decided[] = [];

  /** The log's timestamp of that command, in ms. Null: every delivered command is answered. */
  get oldestMs(): number | null {
    return this.#decided[0]?.sentMs ?? this.#first?.timestampMs ?? null;
  }

  /** Notes the first command that the lane has not decided. Undefined: it has decided all. */
  noteFirst(record: ReceivedRecord | undefined): void {
    this.#first = record ? { offset: record.offset, timestampMs: record.timestampMs } : null;
  }

  /** Notes that the lane has decided the first command, and everything below the offset. */
  noteDecided(nextOffset: number): void {
    if (this.#first) this.#decided.push({ nextOffset, sentMs: this.#first.timestampMs });
  }

  /** Notes that every answer to a command below the offset is published. */
  notePublished(nextOffset: number): void {
    const waiting = this.#decided.findIndex((each) => each.nextOffset > nextOffset);
    this.#decided = waiting < 0 ? [] : this.#decided.slice(waiting);
    if (this.#first && this.#first.offset < nextOffset) this.#first = null;
  }
}
