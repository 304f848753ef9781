import type { Finding } from './finding.ts';
import type { ReplicatedTopic } from './topic-rule.ts';

/** With three replicas, one broker may fail while another is away. */
const ENOUGH_REPLICAS = 3;
const ENOUGH_IN_SYNC = 2;

export function fewReplicas({
  topic,
  state: { nodes, replicas },
}: ReplicatedTopic): Finding | null {
  const enough = Math.min(nodes, ENOUGH_REPLICAS);
  if (replicas >= enough) return null;
  return {
    problem: `replicas: ${replicas}, where ${enough} are possible`,
    risk:
      replicas < 2
        ? 'the loss of one broker loses the records on it'
        : 'while one broker is away, the loss of another one loses records or stops the service',
    remedy:
      `plan ${enough} replicas of ${topic.name} with ` +
      'kafka-reassign-partitions.sh --generate, and carry the plan out with --execute',
  };
}

export function fewInSync({
  state: { replicas },
  number,
  change,
}: ReplicatedTopic): Finding | null {
  const minimum = number('min.insync.replicas');
  if (replicas < ENOUGH_REPLICAS || !(minimum < ENOUGH_IN_SYNC)) return null;
  return {
    problem: `min.insync.replicas=${minimum}`,
    risk: 'Kafka acknowledges records that one broker alone has, and loses them with that broker',
    remedy: change('min.insync.replicas', ENOUGH_IN_SYNC),
  };
}

export function manyInSync({
  state: { replicas },
  number,
  change,
}: ReplicatedTopic): Finding | null {
  const minimum = number('min.insync.replicas');
  if (!(minimum > 1 && minimum >= replicas)) return null;
  return {
    problem: `min.insync.replicas=${minimum} (replicas: ${replicas})`,
    risk:
      minimum > replicas
        ? 'Kafka refuses all records'
        : 'one broker that is away stops the service: Kafka then refuses records',
    remedy: change('min.insync.replicas', Math.max(1, replicas - 1)),
  };
}

export function uncleanElection({ state, change }: ReplicatedTopic): Finding | null {
  if (state.settings?.get('unclean.leader.election.enable') !== 'true') return null;
  return {
    problem: 'unclean.leader.election.enable=true',
    risk: 'a broker that lags may lead a partition, and acknowledged records are lost',
    remedy: change('unclean.leader.election.enable', 'false'),
  };
}
