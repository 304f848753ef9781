import { api, broker, places, throttleMs } from './api.ts';
import {
  before,
  bool,
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
} from './codec.ts';

/** Requests about consumer groups. Source: Apache Kafka, message definitions. */
export const GROUP_APIS = {
  FindCoordinator: api(
    10,
    [0, 2],
    3,
    struct({ key: text, kind: since(1, int8, 0) }),
    struct({ throttleMs, errorCode: int16, errorMessage: since(1, nullable, null), ...broker }),
  ),
  DescribeGroups: api(
    15,
    [0, 3],
    5,
    struct({ groups: list(text), withOperations: since(3, bool, false) }),
    struct({
      throttleMs,
      groups: list(
        struct({
          errorCode: int16,
          groupId: text,
          state: text,
          protocolType: text,
          protocol: text,
          members: list(
            struct({
              memberId: text,
              clientId: text,
              clientHost: text,
              metadata: bytes,
              assignment: bytes,
            }),
          ),
          operations: since(3, int32, 0),
        }),
      ),
    }),
  ),
  JoinGroup: api(
    11,
    [0, 5],
    6,
    struct({
      groupId: text,
      sessionTimeoutMs: int32,
      rebalanceTimeoutMs: since(1, int32, -1),
      memberId: text,
      instanceId: since(5, nullable, null),
      protocolType: text,
      protocols: list(struct({ name: text, metadata: bytes })),
    }),
    struct({
      throttleMs: since(2, int32, 0),
      errorCode: int16,
      generation: int32,
      protocol: text,
      leader: text,
      memberId: text,
      members: list(
        struct({ memberId: text, instanceId: since(5, nullable, null), metadata: bytes }),
      ),
    }),
  ),
  SyncGroup: api(
    14,
    [0, 3],
    4,
    struct({
      groupId: text,
      generation: int32,
      memberId: text,
      instanceId: since(3, nullable, null),
      assignments: list(struct({ memberId: text, assignment: bytes as Field<Buffer> })),
    }),
    struct({ throttleMs, errorCode: int16, assignment: bytes }),
  ),
  Heartbeat: api(
    12,
    [0, 3],
    4,
    struct({
      groupId: text,
      generation: int32,
      memberId: text,
      instanceId: since(3, nullable, null),
    }),
    struct({ throttleMs, errorCode: int16 }),
  ),
  LeaveGroup: api(
    13,
    [0, 3],
    4,
    struct({
      groupId: text,
      memberId: before(3, text, ''),
      members: since(3, list(struct({ memberId: text, instanceId: nullable })), []),
    }),
    struct({
      throttleMs,
      errorCode: int16,
      members: since(
        3,
        list(struct({ memberId: text, instanceId: nullable, errorCode: int16 })),
        [],
      ),
    }),
  ),
  OffsetFetch: api(
    9,
    [1, 7],
    6,
    struct({
      groupId: text,
      topics: list(struct({ name: text, partitions: list(int32) })),
      requireStable: since(7, bool, false),
    }),
    struct({
      throttleMs: since(3, int32, 0),
      topics: places(
        struct({
          index: int32,
          offset: int64,
          leaderEpoch: since(5, int32, -1),
          metadata: nullable,
          errorCode: int16,
        }),
      ),
      errorCode: since(2, int16, 0),
    }),
  ),
};
