import { api, places } from './api.ts';
import { bool, int16, int32, int64, nullable, since, struct, text } from './codec.ts';

const producer = { transactionalId: text, producerId: int64, producerEpoch: int16 };
const outcome = struct({ throttleMs: int32, errorCode: int16 });
const outcomes = struct({
  throttleMs: int32,
  topics: places(struct({ index: int32, errorCode: int16 })),
});

/** Requests about transactions. Source: Apache Kafka, message definitions. */
export const TRANSACTION_APIS = {
  InitProducerId: api(
    22,
    [0, 1],
    2,
    struct({ transactionalId: nullable, timeoutMs: int32 }),
    struct({ throttleMs: int32, errorCode: int16, producerId: int64, producerEpoch: int16 }),
  ),
  AddPartitionsToTxn: api(24, [0, 1], 3, struct({ ...producer, topics: places(int32) }), outcomes),
  AddOffsetsToTxn: api(25, [0, 1], 3, struct({ ...producer, groupId: text }), outcome),
  TxnOffsetCommit: api(
    28,
    [0, 3],
    3,
    struct({
      transactionalId: text,
      groupId: text,
      producerId: int64,
      producerEpoch: int16,
      generation: since(3, int32, -1),
      memberId: since(3, text, ''),
      instanceId: since(3, nullable, null),
      topics: places(
        struct({
          index: int32,
          offset: int64,
          leaderEpoch: since(2, int32, -1),
          metadata: nullable,
        }),
      ),
    }),
    outcomes,
  ),
  EndTxn: api(26, [0, 1], 3, struct({ ...producer, isCommit: bool }), outcome),
};
