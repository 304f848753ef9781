import type { CommandPlace } from '../messages/answer-place.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { readUntil } from './read-until.ts';

/** The first probe, in offsets before the end of a partition: the answer to a new command. */
const FIRST_STEP_OFFSETS = 256;
const STEP_GROWTH = 4;
/** A stretch of this many offsets costs about as much as one more probe. */
const STRETCH_OFFSETS = 1_024;
/** Bounds the records that one search reads of a partition, because each takes time and memory. */
const MAX_RECORDS = 200_000;

/**
 * Finds the records that the answer to one command consists of.
 *
 * A lane publishes its answers in the order of its commands. So in each partition of the topic, the
 * offsets of the commands sort the records of one lane. The search halves the partition again and
 * again. Records of other lanes lie between. The search begins at the end of the topic, because
 * most callers ask about a new command.
 *
 * @param placeOf reads the place of the command that a record answers; null: the record is a copy
 * or a marker, or another service wrote it
 * @returns the records in the order of the topic; empty: the topic has no answer to the command
 * @throws {TroubleError} the log cannot be reached, or the search reads too much
 */
export async function findAnswerRecords(
  broker: Pick<Broker, 'read' | 'offsetRanges'>,
  topic: string,
  place: CommandPlace,
  placeOf: (record: ReceivedRecord) => CommandPlace | null,
): Promise<readonly ReceivedRecord[]> {
  const ranges = await broker.offsetRanges(topic);
  const offsetIn = (record: ReceivedRecord) => {
    const found = placeOf(record);
    const isOfLane = found?.topic === place.topic && found.partition === place.partition;
    return isOfLane ? found.offset : null;
  };
  const found = await Promise.all(
    ranges.map((range) => new Search(broker, topic, range, place.offset, offsetIn).run()),
  );
  return found.flat();
}

/** The search in one partition of the topic. */
class Search {
  readonly #broker: Pick<Broker, 'read'>;
  readonly #topic: string;
  readonly #range: OffsetRange;
  readonly #wanted: number;
  readonly #offsetIn: (record: ReceivedRecord) => number | null;
  #recordCount = 0;

  /**
   * @param wanted the offset of the command
   * @param offsetIn reads the offset of the command that a record of this lane answers
   */
  constructor(
    broker: Pick<Broker, 'read'>,
    topic: string,
    range: OffsetRange,
    wanted: number,
    offsetIn: (record: ReceivedRecord) => number | null,
  ) {
    this.#broker = broker;
    this.#topic = topic;
    this.#range = range;
    this.#wanted = wanted;
    this.#offsetIn = offsetIn;
  }

  async run(): Promise<readonly ReceivedRecord[]> {
    const records: ReceivedRecord[] = [];
    await this.#read(await this.#start(), this.#range.end, (record, offset) => {
      if (offset === this.#wanted) records.push(record);
      return offset > this.#wanted;
    });
    return records;
  }

  /** Finds an offset at or shortly before the answer. */
  async #start(): Promise<number> {
    const { beginning, end } = this.#range;
    let later = end;
    let earlier = end;
    for (let step = FIRST_STEP_OFFSETS; later > beginning; step *= STEP_GROWTH) {
      earlier = Math.max(beginning, end - step);
      if (await this.#isBefore(earlier, later)) break;
      later = earlier;
    }
    while (later - earlier > STRETCH_OFFSETS) {
      const middle = Math.floor((earlier + later) / 2);
      if (await this.#isBefore(middle, later)) earlier = middle;
      else later = middle;
    }
    return earlier;
  }

  /**
   * Tells whether the lane's first record at or after `from` answers an earlier command.
   *
   * @param later an offset at or after which the lane has no such record
   */
  async #isBefore(from: number, later: number): Promise<boolean> {
    let isBefore = false;
    await this.#read(from, later, (_record, offset) => {
      isBefore = offset < this.#wanted;
      return true;
    });
    return isBefore;
  }

  /** Reads the lane's records of a stretch until `take` says that it has enough. */
  async #read(
    beginning: number,
    end: number,
    take: (record: ReceivedRecord, offset: number) => boolean,
  ): Promise<void> {
    const { partition } = this.#range;
    await readUntil(this.#broker, this.#topic, { partition, beginning, end }, (record) => {
      this.#recordCount += 1;
      if (this.#recordCount > MAX_RECORDS)
        throw new TroubleError(
          `The search for an answer ended after ${MAX_RECORDS} records of ` +
            `${this.#topic}/${partition}: read the topic instead`,
        );
      const offset = this.#offsetIn(record);
      return offset !== null && take(record, offset);
    });
  }
}
