import type { Finding } from './finding.ts';
import type { Patient } from './topic-rule.ts';

/** With three replicas, one broker may be away while another one fails. */
const ENOUGH_REPLICAS = 3;
const ENOUGH_IN_SYNC = 2;

export function fewReplicas({ topic, state: { nodes, replicas } }: Patient): Finding | null {
  if (replicas >= Math.min(nodes, ENOUGH_REPLICAS)) return null;
  return {
    problem: `the topic has ${replicas} of ${Math.min(nodes, ENOUGH_REPLICAS)} replicas`,
    risk:
      replicas < 2
        ? 'a broker that is lost takes its records along'
        : 'while one broker is away, the loss of another one loses records or stops the service',
    remedy:
      `plan ${Math.min(nodes, ENOUGH_REPLICAS)} replicas of ${topic.name} with ` +
      'kafka-reassign-partitions.sh --generate, and carry the plan out with --execute',
  };
}

export function fewInSync({ state: { replicas }, number, change }: Patient): Finding | null {
  const minimum = number('min.insync.replicas');
  if (replicas < ENOUGH_REPLICAS || !(minimum < ENOUGH_IN_SYNC)) return null;
  return {
    problem: `min.insync.replicas=${minimum}`,
    risk: 'Kafka acknowledges records that one broker alone has, and loses them with that broker',
    remedy: change('min.insync.replicas', ENOUGH_IN_SYNC),
  };
}

export function manyInSync({ state: { replicas }, number, change }: Patient): Finding | null {
  const minimum = number('min.insync.replicas');
  if (!(minimum > 1 && minimum >= replicas)) return null;
  return {
    problem: `min.insync.replicas=${minimum} with ${replicas} replicas`,
    risk:
      minimum > replicas
        ? 'Kafka refuses all records'
        : 'one broker that is away stops the service: Kafka then refuses records',
    remedy: change('min.insync.replicas', Math.max(1, replicas - 1)),
  };
}

export function uncleanElection({ state, change }: Patient): Finding | null {
  if (state.settings?.get('unclean.leader.election.enable') !== 'true') return null;
  return {
    problem: 'unclean.leader.election.enable=true',
    risk: 'a broker that lags may lead a partition, and acknowledged records are lost',
    remedy: change('unclean.leader.election.enable', 'false'),
  };
}
