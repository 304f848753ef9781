import type { TopicState } from '../adapters/broker/kafka/examination.ts';
import type { Finding } from './finding.ts';
import { compaction, limitedSize, shortRetention, smallMessages } from './record-rules.ts';
import { fewInSync, fewReplicas, manyInSync, uncleanElection } from './replication-rules.ts';
import { DAY_MS, ENOUGH_DAYS, type NeededTopic, type Rule } from './topic-rule.ts';

const REPLICATION_RULES = [fewReplicas, fewInSync, manyInSync, uncleanElection] as const;
const RULES: readonly Rule[] = [
  compaction,
  ...REPLICATION_RULES,
  shortRetention,
  limitedSize,
  smallMessages,
];

/**
 * Finds what the settings of a topic risk.
 *
 * @param tools how Kafka's tools reach the cluster: `--bootstrap-server host:port`
 */
export function topicFindings(
  topic: NeededTopic,
  state: TopicState,
  tools: string,
): readonly Finding[] {
  const examined = { topic, ...readable(topic.name, state, tools) };
  return RULES.flatMap((rule) => rule(examined) ?? []);
}

/** Finds what the replication of a topic risks. Kafka itself needs the topic. */
export function replicationFindings(
  name: string,
  state: TopicState,
  tools: string,
): readonly Finding[] {
  const examined = { topic: { name }, ...readable(name, state, tools) };
  return REPLICATION_RULES.flatMap((rule) => rule(examined) ?? []);
}

function readable(name: string, state: TopicState, tools: string) {
  return {
    state,
    number: (setting: string) => Number(state.settings?.get(setting) ?? Number.NaN),
    change: (setting: string, value: string | number) =>
      `kafka-configs.sh ${tools} --alter --entity-type topics --entity-name ${name} ` +
      `--add-config ${setting}=${value}`,
  };
}

/** Finds whether the brokers delete committed offsets too early. */
export function offsetsFindings(retentionMinutes: number): readonly Finding[] {
  const enoughMinutes = (ENOUGH_DAYS * DAY_MS) / 60_000;
  if (retentionMinutes >= enoughMinutes) return [];
  return [
    {
      problem: `offsets.retention.minutes=${retentionMinutes}`,
      risk:
        'a service that is stopped for longer loses its committed offsets, and must find in the ' +
        'published answers how far it has come',
      remedy: `set offsets.retention.minutes=${enoughMinutes} on each broker`,
    },
  ];
}
