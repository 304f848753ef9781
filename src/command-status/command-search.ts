import { envelopeOf } from '../dead-letters/message-envelope.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';
import { readUntil } from './read-until.ts';

/** How far back a search looks for an id, in offsets of each partition. */
export const MAX_SEARCHED_OFFSETS = 20_000;
/** The stretches of a search. The first ones are short, because most searches are for new ids. */
const STRETCHES_OFFSETS = [500, 2_500, MAX_SEARCHED_OFFSETS] as const;

/** The id that a sender chose, and the source of a CloudEvent. */
export interface CommandName {
  readonly id: string;
  /** Absent: messages of any source are meant. Null: only plain JSON is meant. */
  readonly source?: string | null | undefined;
}

/**
 * Finds the messages with this id among the newest ones of each partition, the newest first.
 *
 * @throws {TroubleError} the log cannot be reached
 */
export async function* findCommands(
  broker: Pick<Broker, 'read' | 'offsetRanges'>,
  topic: string,
  name: CommandName,
): AsyncGenerator<ReceivedRecord, void> {
  const ranges = await broker.offsetRanges(topic);
  let searchedOffsets = 0;
  for (const offsets of STRETCHES_OFFSETS) {
    const found: ReceivedRecord[] = [];
    for (const range of ranges) {
      await readUntil(broker, topic, stretchOf(range, searchedOffsets, offsets), (record) => {
        if (hasName(record, name)) found.push(record);
        return false;
      });
    }
    yield* found.sort((one, other) => other.timestampMs - one.timestampMs);
    searchedOffsets = offsets;
  }
}

/** Returns the part of a range between two distances from its end. */
function stretchOf({ partition, beginning, end }: OffsetRange, near: number, far: number) {
  return {
    partition,
    beginning: Math.max(beginning, end - far),
    end: Math.max(beginning, end - near),
  };
}

function hasName(record: ReceivedRecord, { id, source }: CommandName): boolean {
  const envelope = envelopeOf(record);
  if (envelope?.id !== id) return false;
  return source === undefined || envelope.source === source;
}
