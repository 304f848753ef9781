import type { TopicState } from '../adapters/broker/kafka/examination.ts';
import type { Finding } from './finding.ts';
import { compaction, limitedSize, shortRetention, smallMessages } from './record-rules.ts';
import { fewInSync, fewReplicas, manyInSync, uncleanElection } from './replication-rules.ts';
import { DAY_MS, ENOUGH_DAYS, type NeededTopic, type Rule } from './topic-rule.ts';

const RULES: readonly Rule[] = [
  compaction,
  fewReplicas,
  fewInSync,
  manyInSync,
  uncleanElection,
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
  const change = (setting: string, value: string | number) =>
    `kafka-configs.sh ${tools} --alter --entity-type topics --entity-name ${topic.name} ` +
    `--add-config ${setting}=${value}`;
  const number = (setting: string) => Number(state.settings?.get(setting) ?? Number.NaN);
  const examined = { topic, state, number, change };
  return RULES.map((rule) => rule(examined)).filter((finding) => finding !== null);
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
