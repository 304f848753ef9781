import type { PartitionOffset, ReceivedRecord } from '../service-layer/records.ts';
import type { HandlerFailure } from './answer-context.ts';
import type { Part } from './delivery-queue.ts';
import type { EarlierCommands } from './earlier-commands.ts';

interface DeliveryOrderOptions {
  readonly earlier: EarlierCommands;
  /** Where the lane stands now. */
  readonly position: () => PartitionOffset;
  /**
   * Answers the records in one transaction. Commands below `settledBelowOffset` may be rejected as
   * unknown.
   * @returns null: the records are answered. Otherwise the index of the command that would be
   * rejected too early, and nothing has changed.
   */
  readonly answer: (
    part: Part,
    failure: HandlerFailure | null,
    settledBelowOffset: number,
  ) => Promise<number | null>;
  /** False when the lane has opened anew since, or closes. */
  readonly isWanted: () => boolean;
}

/**
 * Answers one delivery, but rejects no command as unknown before other lanes have decided what was
 * accepted before it (`earlier-commands.ts`).
 *
 * The lane first answers the records before the unknown command. Lanes that wait for this lane then
 * see its progress. One wait serves the whole delivery, because the delivery was fetched before the
 * wait. If the lane goes ahead of another waiting lane, its wait serves only the commands that go
 * before the command of that lane (`known-lanes.ts`).
 *
 * Lanes with a backlog take turns at unknown commands. So after each unknown command, the lane
 * tries fewer records at once: four times as many as stood before that command. The lane would load
 * more records in vain, because the next unknown command undoes the transaction.
 */
export class DeliveryOrder {
  readonly #records: Part;
  readonly #options: DeliveryOrderOptions;
  /** Other lanes have decided what was accepted before the records below this offset. */
  #settledBelowOffset = 0;
  /** The part that must wait until other lanes reach `#ends`. */
  #waiting: Part | null = null;
  #ends: readonly PartitionOffset[] = [];
  /** How many records the lane tries to answer at once. */
  #maxRecords = Number.POSITIVE_INFINITY;

  /** @param records the whole delivery */
  constructor(records: Part, options: DeliveryOrderOptions) {
    this.#records = records;
    this.#options = options;
  }

  /**
   * Takes one step with the first part of the delivery: waits, cuts it, or answers it.
   * @returns the parts that are left of it, in order
   */
  async answer(part: Part, failure: HandlerFailure | null): Promise<readonly Part[]> {
    const { earlier, answer, isWanted } = this.#options;
    const lane = this.#options.position();
    if (part === this.#waiting) {
      const head = { ...lane, nextTimestampMs: sentMs(part[0]) };
      const beforeMs = await earlier.wait(head, this.#ends, isWanted);
      this.#settledBelowOffset = settledBelow(this.#records, part[0], beforeMs);
      this.#waiting = null;
      return [part];
    }
    if (part.length > this.#maxRecords)
      return [part.slice(0, this.#maxRecords), part.slice(this.#maxRecords)];
    const unsettled = await answer(part, failure, this.#settledBelowOffset);
    if (unsettled === null) {
      this.#maxRecords *= 2;
      return [];
    }
    this.#maxRecords = Math.max(LEAST_RECORDS, 4 * unsettled);
    // The delivery was fetched before the first question for the ends, so they hold for all of it.
    const ends =
      this.#ends.length > 0
        ? earlier.unreachedEnds(this.#ends)
        : await earlier.undecidedEnds(lane, isWanted);
    if (ends.length === 0) {
      this.#settledBelowOffset = Number.POSITIVE_INFINITY;
      return [part];
    }
    const waiting = part.slice(unsettled);
    this.#waiting = waiting;
    this.#ends = ends;
    return unsettled === 0 ? [waiting] : [part.slice(0, unsettled), waiting];
  }
}

/** Returns when the sender says that the command was sent, as a number that any database takes. */
function sentMs(record: ReceivedRecord | undefined): number {
  return Math.min(Math.max(record?.timestampMs ?? 0, 0), Number.MAX_SAFE_INTEGER);
}

/**
 * Returns the offset below which all records after `first` were sent before `beforeMs`. The time of
 * `first` itself does not matter.
 */
function settledBelow(records: Part, first: ReceivedRecord | undefined, beforeMs: number): number {
  const isLate = (record: ReceivedRecord) =>
    record.offset > (first?.offset ?? -1) && sentMs(record) >= beforeMs;
  return records.find(isLate)?.offset ?? Number.POSITIVE_INFINITY;
}

/** The fewest records at once. With fewer, there would be too many transactions, each an fsync. */
const LEAST_RECORDS = 64;
