import { laneName } from '../domain/place.ts';
import { reachFaultPoint } from '../fault-points.ts';
import type { TransactionalProducer } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import type { LaneStore, WaitingRecords } from '../service-layer/lane-store.ts';
import type { Partition, PartitionOffset } from '../service-layer/records.ts';
import type { LaneContext } from './lane-context.ts';
import type { LaneOffsets } from './lane-offsets.ts';
import {
  MAX_CHUNK_BYTES,
  takeJoined,
  type WaitingChunk,
  wholeCommandChunks,
} from './outbox-chunks.ts';

/**
 * Publishes the answers that the former owner left in the outbox, then deletes them. Each answer
 * waits until the answers that it rests on are published. A lane that was held up has left many
 * small rows. One broker transaction publishes as many of them as can go out at once.
 *
 * Only answers to commands from C up to D go out. A former owner may still add answers beyond D,
 * which the group's offset D does not cover.
 * @param committed the lane's C
 * @param end the lane's D
 * @throws {TroubleError} other lanes have not published in time, or the lane closes
 */
export async function publishLeftBehind(
  lane: Partition,
  committed: number,
  end: number,
  producer: TransactionalProducer,
  { store, group, published: others, log }: LaneContext,
  signal: AbortSignal,
): Promise<void> {
  others.note({ ...lane, nextOffset: committed });
  if (committed < end)
    log.info(
      { lane: laneName(lane), from: committed, to: end },
      'Publishing the answers left behind',
    );
  const queue: WaitingChunk[] = [];
  for (let readBelow = committed; readBelow < end || queue.length > 0; ) {
    while (readBelow < end && hasRoom(queue)) {
      const { records, nextOffset, restsOn } = await readRow(store, lane, readBelow, end);
      for (const chunk of wholeCommandChunks(records, nextOffset))
        queue.push({ ...chunk, restsOn });
      readBelow = nextOffset;
    }
    reachFaultPoint('left-behind-read');
    await waitForOthers(queue[0]?.restsOn ?? [], others, signal);
    const chunk = takeJoined(queue, (restsOn) => others.covers(restsOn)) as WaitingChunk;
    await producer.publish(chunk.records, { ...lane, group, nextOffset: chunk.nextOffset });
    others.note({ ...lane, nextOffset: chunk.nextOffset });
    reachFaultPoint('left-behind-published');
  }
  await store.deleteOutbox(lane, end);
  if (committed < end) reachFaultPoint('left-behind-deleted');
}

/** Reads the next row of the outbox. The last commands may have no answer, and so no row. */
async function readRow(
  store: LaneStore,
  lane: Partition,
  from: number,
  end: number,
): Promise<WaitingRecords> {
  const row = await store.readOutbox(lane, from, end);
  return row ?? { records: [], nextOffset: end, restsOn: [] };
}

/** Tells whether more rows may be read ahead. Each of them may be large. */
function hasRoom(queue: readonly WaitingChunk[]): boolean {
  const bytes = queue.reduce((sum, chunk) => sum + chunk.bytes, 0);
  return queue.length < MAX_CHUNKS_AHEAD && bytes < MAX_CHUNK_BYTES;
}

async function waitForOthers(
  restsOn: readonly PartitionOffset[],
  others: LaneOffsets,
  signal: AbortSignal,
): Promise<void> {
  for (let looks = 1; !(await others.cover(restsOn, LOOK_WHETHER_CLOSING_MS)); looks += 1) {
    if (!signal.aborted && looks < MAX_LOOKS) continue;
    const partitions = restsOn.map(({ partition }) => partition).join(', ');
    throw new TroubleError(
      `The answers left behind must wait until partitions ${partitions} have published theirs`,
    );
  }
}

/** How often a wait checks whether the lane is closing, because other lanes may have no owner. */
const LOOK_WHETHER_CLOSING_MS = 500;
/**
 * Ends the wait after 10 s. Then the lane opens anew. Each lane of a chain waits for the one
 * before, so the limit must last for a chain.
 */
const MAX_LOOKS = 20;
/** The first answer must not wait until very many rows are read. */
const MAX_CHUNKS_AHEAD = 200;
