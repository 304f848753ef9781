import { placeOf } from '../domain/place.ts';
import type { ForeignMessage } from '../messages/read-answer.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';

/** Others wrote a record into the events topic. An operator may decide to skip such records. */
export class ForeignRecordError extends ReplayRefusedError {}

/** Foreign records of the events topic that a replay has skipped. */
export interface SkippedRecords {
  readonly count: number;
  /** The places of the first, `topic/partition/offset`. */
  readonly first: readonly string[];
}

/** How many skipped records are named. */
const PLACES_NAMED = 3;

/** Refuses or counts the records of the events topic that this service did not write. */
export class ForeignRecords {
  readonly #skip: boolean;
  readonly #first: string[] = [];
  #count = 0;

  /** @param skip whether an operator has decided to skip what others wrote */
  constructor(skip: boolean) {
    this.#skip = skip;
  }

  get skipped(): SkippedRecords {
    return { count: this.#count, first: this.#first };
  }

  /**
   * Counts a foreign record, if it may be skipped.
   * @throws {ForeignRecordError} others wrote the record, and no operator decided to skip it
   * @throws {ReplayRefusedError} the record has this service's source and id: skipping it could
   *   lose an event
   */
  take(
    record: Pick<ReceivedRecord, 'topic' | 'partition' | 'offset'>,
    { message, isOurs }: ForeignMessage,
  ): void {
    const place = placeOf(record);
    if (isOurs) {
      throw new ReplayRefusedError(
        `${place} has the source and the id of an event of this service, but cannot be read: ` +
          `${message}. It is never skipped. If a newer version of the service wrote it, use that ` +
          'version',
      );
    }
    if (!this.#skip)
      throw new ForeignRecordError(`${place} is no event of this service: ${message}`);
    this.#count += 1;
    if (this.#first.length < PLACES_NAMED) this.#first.push(place);
  }
}

/** Says how many records were skipped, and where the first of them lie. */
export function describeSkipped({ count, first }: SkippedRecords): string {
  if (count === 0) return 'none';
  const more = count > first.length ? ', …' : '';
  return `${count} (${first.join(', ')}${more})`;
}
