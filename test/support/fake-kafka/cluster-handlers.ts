import { APIS } from './apis.ts';
import { CODES } from './codes.ts';
import type { Handlers } from './model.ts';

const NOT_ASKED = -(2 ** 31);
const BROKER = 4;
const NULL_ID = '0'.repeat(32);

/** The handlers of requests that every node answers: they are about the cluster. */
export const clusterHandlers: Handlers<
  'ApiVersions' | 'Metadata' | 'CreateTopics' | 'DescribeConfigs'
> = {
  ApiVersions: ({ newestProduce }, _request, { refusal }) => ({
    errorCode: refusal(),
    apis: Object.values(APIS).map(({ key, versions: [oldest, newest] }) => {
      return { key, oldest, newest: key === APIS.Produce.key ? newestProduce : newest };
    }),
    throttleMs: 0,
  }),

  Metadata: (model, { topics, withTopicOperations }, { refusal }) => {
    const names =
      topics.length > 0 ? topics.map(({ name }) => name ?? '') : [...model.topics.keys()];
    return {
      throttleMs: 0,
      brokers: [...model.ports].map(([nodeId, port]) => ({
        nodeId,
        host: '127.0.0.1',
        port,
        rack: null,
      })),
      clusterId: 'fake',
      controllerId: model.controller,
      topics: names.map((name) => {
        const topic = model.topics.get(name);
        return {
          errorCode: refusal(name) || (topic ? 0 : CODES.UNKNOWN_TOPIC_OR_PARTITION),
          name,
          topicId: topic?.id ?? NULL_ID,
          isInternal: false,
          partitions: (topic?.partitions ?? []).map(({ leader, leaderEpoch }, index) => {
            const replicas = [...model.ports.keys()].slice(0, topic?.replicas ?? undefined);
            return {
              errorCode: 0,
              index,
              leader,
              leaderEpoch,
              replicas,
              isr: replicas,
              offlineReplicas: [],
            };
          }),
          operations: withTopicOperations ? (topic?.operations ?? 0) : NOT_ASKED,
        };
      }),
      clusterOperations: 0,
    };
  },

  CreateTopics: (model, { topics }, { node, refusal }) => ({
    throttleMs: 0,
    topics: topics.map(({ name, partitions, configs }) => {
      const elsewhere = node === model.controller ? 0 : CODES.NOT_CONTROLLER;
      const errorCode =
        refusal(name) || elsewhere || (model.topics.has(name) ? CODES.TOPIC_ALREADY_EXISTS : 0);
      const nodes = [...model.ports.keys()];
      const leaders = Array.from(
        { length: partitions },
        (_, index) => nodes[index % nodes.length] as number,
      );
      const settings = Object.fromEntries(configs.map((each) => [each.name, each.value ?? '']));
      if (errorCode === 0) model.addTopic(name, leaders, settings);
      return { name, errorCode, errorMessage: null };
    }),
  }),

  DescribeConfigs: (model, { resources }, { refusal }) => ({
    throttleMs: 0,
    resources: resources.map(({ kind, name, settings }) => {
      const owned =
        kind === BROKER ? model.brokerSettings : (model.topics.get(name)?.settings ?? null);
      const errorCode = refusal(name) || (owned ? 0 : CODES.UNKNOWN_TOPIC_OR_PARTITION);
      const found = [...(owned ?? [])].filter(
        ([each]) => settings.length === 0 || settings.includes(each),
      );
      const rest = {
        isReadOnly: false,
        isDefault: false,
        source: 1,
        isSensitive: false,
        synonyms: [],
      };
      const all = found.map(([setting, value]) => ({ name: setting, value, ...rest }));
      return { errorCode, errorMessage: null, kind, name, settings: errorCode === 0 ? all : [] };
    }),
  }),
};
