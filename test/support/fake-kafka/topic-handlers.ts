import { setTimeout as sleep } from 'node:timers/promises';
import { CODES } from './codes.ts';
import { readBatch } from './log.ts';
import type { Handlers, Model, Question } from './model.ts';

const READ_COMMITTED = 1;
const EARLIEST = -2;

/**
 * Acts on one partition. Returns an error without acting where the test wants one, or where another
 * node leads the partition.
 */
function at<T extends { errorCode: number }>(
  model: Model,
  { node, refusal }: Question,
  topic: string,
  index: number,
  nothing: Omit<T, 'errorCode'>,
  act: (log: NonNullable<ReturnType<Model['partition']>>) => T,
): T {
  const log = model.partition(topic, index);
  const unknown = log ? 0 : CODES.UNKNOWN_TOPIC_OR_PARTITION;
  const elsewhere = log && log.leader !== node ? CODES.NOT_LEADER : 0;
  const errorCode = refusal(`${topic}/${index}`) || unknown || elsewhere;
  return errorCode !== 0 || !log ? ({ ...nothing, errorCode } as T) : act(log);
}

/** The handlers of the leaders of partitions. */
export const topicHandlers: Handlers<'Produce' | 'Fetch' | 'ListOffsets' | 'OffsetForLeaderEpoch'> =
  {
    Produce: (model, { topics, transactionalId }, question) => {
      const answer = topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index, records }) => {
          const nothing = { index, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1 };
          return at(model, question, name, index, nothing, (log) => {
            const known = log.offsetOf(readBatch(records));
            if (known !== undefined) return { ...nothing, errorCode: 0, baseOffset: known };
            const errorCode = refusedBatch(model, `${name}/${index}`, records, transactionalId);
            return {
              ...nothing,
              errorCode,
              baseOffset: errorCode === 0 ? log.append(readBatch(records)) : -1,
            };
          });
        }),
      }));
      model.noteAppended();
      return { topics: answer, throttleMs: 0 };
    },

    Fetch: async (model, { topics, maxWaitMs, isolationLevel, sessionId }, question) => {
      const errorCode = question.refusal('top');
      const isCommittedOnly = isolationLevel === READ_COMMITTED;
      const look = () =>
        topics.map(({ topicId, partitions, ...topic }) => ({
          ...topic,
          topicId,
          partitions: partitions.map(({ index, fetchOffset, maxBytes }) => {
            const nothing = {
              index,
              highWatermark: -1,
              lastStableOffset: -1,
              logStartOffset: -1,
              aborted: [],
            };
            const rest = { preferredReplica: -1, records: null };
            const name = topicId ? model.nameOf(topicId) : topic.name;
            if (name === null) return { ...nothing, ...rest, errorCode: CODES.UNKNOWN_TOPIC_ID };
            return at(model, question, name, index, { ...nothing, ...rest }, (log) => {
              const { end: highWatermark, lastStableOffset, beginning: logStartOffset } = log;
              const aborted = log.aborted.filter(({ end }) => end > fetchOffset);
              const isOut = fetchOffset < logStartOffset || fetchOffset > highWatermark;
              const records = isOut ? null : log.read(fetchOffset, maxBytes, isCommittedOnly);
              const found = {
                index,
                highWatermark,
                lastStableOffset,
                logStartOffset,
                aborted,
                preferredReplica: -1,
              };
              return { ...found, errorCode: isOut ? CODES.OFFSET_OUT_OF_RANGE : 0, records };
            });
          }),
        }));
      const isEmpty = (found: ReturnType<typeof look>) =>
        found.every(({ partitions }) =>
          partitions.every((each) => each.errorCode === 0 && !each.records?.length),
        );
      let found = look();
      for (
        const endMs = Date.now() + maxWaitMs;
        errorCode === 0 && isEmpty(found) && Date.now() < endMs;
        found = look()
      ) {
        await Promise.race([model.appended, sleep(endMs - Date.now(), undefined, { ref: false })]);
      }
      return { throttleMs: 0, errorCode, sessionId, topics: errorCode === 0 ? found : [] };
    },

    ListOffsets: (model, { topics, isolationLevel }, question) => ({
      throttleMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index, timestamp }) => {
          const nothing = { index, timestamp: -1, offset: -1, leaderEpoch: -1 };
          return at(
            model,
            question,
            name,
            index,
            nothing,
            ({ beginning, end, lastStableOffset, leaderEpoch }) => {
              const latest = isolationLevel === READ_COMMITTED ? lastStableOffset : end;
              return {
                ...nothing,
                errorCode: 0,
                offset: timestamp === EARLIEST ? beginning : latest,
                leaderEpoch,
              };
            },
          );
        }),
      })),
    }),

    OffsetForLeaderEpoch: (model, { topics }, question) => ({
      throttleMs: 0,
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ index, leaderEpoch: asked }) => {
          const nothing = { index, leaderEpoch: -1, endOffset: -1 };
          return at(model, question, name, index, nothing, (log) => {
            const epochOf = (bytes: Buffer) => bytes.readInt32BE(12);
            const last = log.batches.findLast(({ bytes }) => epochOf(bytes) <= asked);
            if (asked >= log.leaderEpoch)
              return { index, errorCode: 0, leaderEpoch: log.leaderEpoch, endOffset: log.end };
            return {
              index,
              errorCode: 0,
              leaderEpoch: last ? epochOf(last.bytes) : -1,
              endOffset: last?.nextOffset ?? -1,
            };
          });
        }),
      })),
    }),
  };

function refusedBatch(
  model: Model,
  place: string,
  bytes: Buffer,
  transactionalId: string | null,
): number {
  const at = place.lastIndexOf('/');
  const [topic, index] = [place.slice(0, at), Number(place.slice(at + 1))];
  const batch = readBatch(bytes);
  if (!batch.isIntact) return CODES.CORRUPT_MESSAGE;
  if (bytes.length > Number(model.topics.get(topic)?.settings.get('max.message.bytes')))
    return CODES.MESSAGE_TOO_LARGE;
  if (transactionalId !== null) {
    const producer = model.producers.get(transactionalId);
    if (producer?.id !== batch.producerId) return CODES.INVALID_PRODUCER_ID_MAPPING;
    if (producer.epoch !== batch.producerEpoch) return CODES.INVALID_PRODUCER_EPOCH;
    if (!batch.isTransactional || !producer.places.has(place)) return CODES.INVALID_TXN_STATE;
  }
  if (batch.producerId < 0) return 0;
  const expected = model
    .partition(topic, index)
    ?.nextSequence(batch.producerId, batch.producerEpoch);
  return batch.firstSequence === expected ? 0 : CODES.OUT_OF_ORDER_SEQUENCE_NUMBER;
}
