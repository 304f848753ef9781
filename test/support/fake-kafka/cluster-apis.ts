import { api, broker, throttleMs } from './api.ts';
import {
  before,
  bool,
  int8,
  int16,
  int32,
  list,
  nullable,
  since,
  struct,
  text,
  uuid,
} from './codec.ts';

/** Requests about the cluster and its settings. Source: Apache Kafka, message definitions. */
export const CLUSTER_APIS = {
  ApiVersions: api(
    18,
    [0, 2],
    3,
    struct({}),
    struct({
      errorCode: int16,
      apis: list(struct({ key: int16, oldest: int16, newest: int16 })),
      throttleMs,
    }),
  ),
  Metadata: api(
    3,
    [0, 10],
    9,
    struct({
      topics: list(struct({ topicId: since(10, uuid, ''), name: nullable })),
      mayCreate: since(4, bool, true),
      withClusterOperations: since(8, bool, false),
      withTopicOperations: since(8, bool, false),
    }),
    struct({
      throttleMs: since(3, int32, 0),
      brokers: list(struct({ ...broker, rack: since(1, nullable, null) })),
      clusterId: since(2, nullable, null),
      controllerId: since(1, int32, -1),
      topics: list(
        struct({
          errorCode: int16,
          name: text,
          topicId: since(10, uuid, ''),
          isInternal: since(1, bool, false),
          partitions: list(
            struct({
              errorCode: int16,
              index: int32,
              leader: int32,
              leaderEpoch: since(7, int32, -1),
              replicas: list(int32),
              isr: list(int32),
              offlineReplicas: since(5, list(int32), []),
            }),
          ),
          operations: since(8, int32, 0),
        }),
      ),
      clusterOperations: since(8, int32, 0),
    }),
  ),
  CreateTopics: api(
    19,
    [0, 3],
    5,
    struct({
      topics: list(
        struct({
          name: text,
          partitions: int32,
          replicas: int16,
          assignments: list(struct({ partition: int32, nodes: list(int32) })),
          configs: list(struct({ name: text, value: nullable })),
        }),
      ),
      timeoutMs: int32,
      validateOnly: since(1, bool, false),
    }),
    struct({
      throttleMs: since(2, int32, 0),
      topics: list(
        struct({ name: text, errorCode: int16, errorMessage: since(1, nullable, null) }),
      ),
    }),
  ),
  DescribeConfigs: api(
    32,
    [0, 2],
    4,
    struct({
      resources: list(struct({ kind: int8, name: text, settings: list(text) })),
      withSynonyms: since(1, bool, false),
    }),
    struct({
      throttleMs: int32,
      resources: list(
        struct({
          errorCode: int16,
          errorMessage: nullable,
          kind: int8,
          name: text,
          settings: list(
            struct({
              name: text,
              value: nullable,
              isReadOnly: bool,
              isDefault: before(1, bool, false),
              source: since(1, int8, 5),
              isSensitive: bool,
              synonyms: since(1, list(struct({ name: text, value: nullable, source: int8 })), []),
            }),
          ),
        }),
      ),
    }),
  ),
};
