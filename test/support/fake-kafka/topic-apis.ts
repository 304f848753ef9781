import { api, places, throttleMs } from './api.ts';
import {
  before,
  bytes,
  type Field,
  int8,
  int16,
  int32,
  int64,
  list,
  nullable,
  since,
  struct,
  text,
  uuid,
} from './codec.ts';

/** Describes topics like `places`. Fetch names them by their ids from version 13 on (KIP-516). */
const placesById = <T>(of: Field<T>) =>
  list(
    struct({
      name: before(13, text, ''),
      topicId: since(13, uuid, ''),
      partitions: list(of),
    }),
  );

/** Requests about topics and their records. Source: Apache Kafka, message definitions. */
export const TOPIC_APIS = {
  Produce: api(
    0,
    [3, 7],
    9,
    struct({
      transactionalId: nullable,
      acks: int16,
      timeoutMs: int32,
      topics: places(struct({ index: int32, records: bytes as Field<Buffer> })),
    }),
    struct({
      topics: places(
        struct({
          index: int32,
          errorCode: int16,
          baseOffset: int64,
          logAppendTimeMs: since(2, int64, -1),
          logStartOffset: since(5, int64, -1),
        }),
      ),
      throttleMs,
    }),
  ),
  Fetch: api(
    1,
    [4, 13],
    12,
    struct({
      replicaId: int32,
      maxWaitMs: int32,
      minBytes: int32,
      maxBytes: since(3, int32, 0),
      isolationLevel: since(4, int8, 0),
      sessionId: since(7, int32, 0),
      sessionEpoch: since(7, int32, -1),
      topics: placesById(
        struct({
          index: int32,
          currentLeaderEpoch: since(9, int32, -1),
          fetchOffset: int64,
          lastFetchedEpoch: since(12, int32, -1),
          logStartOffset: since(5, int64, -1),
          maxBytes: int32,
        }),
      ),
      forgotten: since(7, places(int32), []),
      rackId: since(11, text, ''),
    }),
    struct({
      throttleMs,
      errorCode: since(7, int16, 0),
      sessionId: since(7, int32, 0),
      topics: placesById(
        struct({
          index: int32,
          errorCode: int16,
          highWatermark: int64,
          lastStableOffset: since(4, int64, -1),
          logStartOffset: since(5, int64, -1),
          aborted: since(4, list(struct({ producerId: int64, firstOffset: int64 })), []),
          preferredReplica: since(11, int32, -1),
          records: bytes,
        }),
      ),
    }),
  ),
  ListOffsets: api(
    2,
    [1, 5],
    6,
    struct({
      replicaId: int32,
      isolationLevel: since(2, int8, 0),
      topics: places(
        struct({ index: int32, currentLeaderEpoch: since(4, int32, -1), timestamp: int64 }),
      ),
    }),
    struct({
      throttleMs: since(2, int32, 0),
      topics: places(
        struct({
          index: int32,
          errorCode: int16,
          timestamp: int64,
          offset: int64,
          leaderEpoch: since(4, int32, -1),
        }),
      ),
    }),
  ),
  OffsetForLeaderEpoch: api(
    23,
    [0, 3],
    4,
    struct({
      replicaId: since(3, int32, -2),
      topics: places(
        struct({ index: int32, currentLeaderEpoch: since(2, int32, -1), leaderEpoch: int32 }),
      ),
    }),
    struct({
      throttleMs: since(2, int32, 0),
      topics: places(
        struct({
          errorCode: int16,
          index: int32,
          leaderEpoch: since(1, int32, -1),
          endOffset: int64,
        }),
      ),
    }),
  ),
};
