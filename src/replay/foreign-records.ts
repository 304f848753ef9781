import type { ForeignMessage } from '../messages/published.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { ReplayRefusedError } from './errors.ts';

/** A record in the events topic that others wrote. An operator may decide to skip such records. */
export class ForeignRecordError extends ReplayRefusedError {}

/** Records in the events topic that others wrote, and that a replay has skipped. */
export interface SkippedRecords {
  readonly count: number;
  /** `topic/partition/offset` of the first. */
  readonly first: readonly string[];
}

const PLACES_NAMED = 3;

/** Decides about records of the events topic that are no events of this service: refuses them, or counts them. */
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
   * Counts a record that may be skipped.
   * @throws {ForeignRecordError} others wrote it, and nobody has decided to skip such records
   * @throws {ReplayRefusedError} it has this service's source and id: skipping it could lose an event
   */
  take(
    { topic, partition, offset }: Pick<ReceivedRecord, 'topic' | 'partition' | 'offset'>,
    { message, isOurs }: ForeignMessage,
  ): void {
    const place = `${topic}/${partition}/${offset}`;
    if (isOurs) {
      throw new ReplayRefusedError(
        `${place} has the source and the id of an event of this service, but cannot be read: ${message}. ` +
          'It is never skipped. If a newer version of the service wrote it, use that version',
      );
    }
    if (!this.#skip)
      throw new ForeignRecordError(`${place} is no event of this service: ${message}`);
    this.#count += 1;
    if (this.#first.length < PLACES_NAMED) this.#first.push(place);
  }
}

/** In plain words. */
export function describeSkipped({ count, first }: SkippedRecords): string {
  return count === 0
    ? 'none'
    : `${count} (${first.join(', ')}${count > first.length ? ', …' : ''})`;
}
