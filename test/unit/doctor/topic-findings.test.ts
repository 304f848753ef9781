import { describe, expect, it } from 'vitest';
import { offsetsFindings, topicFindings } from '../../../src/doctor/topic-findings.ts';
import type { NeededTopic } from '../../../src/doctor/topic-rule.ts';

const DAY_MS = 86_400_000;
const TOOLS = '--bootstrap-server kafka:9092';
type Role = NeededTopic['role'];
const ROLES: readonly Role[] = ['commands', 'events', 'dead letters', 'audit'];

/** A topic of three brokers as it should be. Seven days are the retention of Kafka itself. */
function healthy(role: Role): Record<string, string> {
  return {
    'cleanup.policy': 'delete',
    'max.message.bytes': '1000',
    'min.insync.replicas': '2',
    'retention.bytes': '-1',
    'retention.ms': role === 'events' ? '-1' : String(7 * DAY_MS),
    'unclean.leader.election.enable': 'false',
  };
}

interface Case {
  readonly nodes?: number;
  readonly replicas?: number;
  readonly settings?: Readonly<Record<string, string>>;
}

function findingsOf(role: Role, { nodes = 3, replicas = 3, settings = {} }: Case = {}) {
  const topic = { name: 'the-topic', role, maxMessageBytes: 1_000 };
  const state = {
    nodes,
    replicas,
    settings: new Map(Object.entries({ ...healthy(role), ...settings })),
  };
  return topicFindings(topic, state, TOOLS);
}

describe('the settings of a topic', () => {
  it.each(ROLES)('as they should be give no finding: %s', (role) => {
    expect(findingsOf(role)).toEqual([]);
  });

  it.each(ROLES)('give none on one broker with the defaults of Kafka: %s', (role) => {
    const settings = { 'min.insync.replicas': '1' };
    expect(findingsOf(role, { nodes: 1, replicas: 1, settings })).toEqual([]);
  });

  it.each(ROLES)('give one for a single replica on several brokers: %s', (role) => {
    const settings = { 'min.insync.replicas': '1' };
    expect(findingsOf(role, { nodes: 2, replicas: 1, settings })).toMatchObject([
      { problem: 'replicas: 1, where 2 are possible' },
    ]);
  });

  it('give none as far as Kafka does not tell them', () => {
    const topic = { name: 'the-topic', role: 'events', maxMessageBytes: 1_000 } as const;
    for (const settings of [null, new Map<string, string>()])
      expect(topicFindings(topic, { nodes: 3, replicas: 3, settings }, TOOLS)).toEqual([]);
  });

  const rows: readonly (readonly [string, Role, Case, string, RegExp, string])[] = [
    [
      'compaction of commands',
      'commands',
      { settings: { 'cleanup.policy': 'compact' } },
      'cleanup.policy=compact',
      /commands that nobody has answered/,
      'cleanup.policy=delete',
    ],
    [
      'compaction of events beside deletion',
      'events',
      { settings: { 'cleanup.policy': 'compact,delete' } },
      'cleanup.policy=compact,delete',
      /a rebuild needs/,
      'cleanup.policy=delete',
    ],
    [
      'compaction of dead letters',
      'dead letters',
      { settings: { 'cleanup.policy': 'compact' } },
      'cleanup.policy=compact',
      /letters that wait/,
      'cleanup.policy=delete',
    ],
    [
      'one replica on three brokers',
      'commands',
      { replicas: 1, settings: { 'min.insync.replicas': '1' } },
      'replicas: 1, where 3 are possible',
      /loses the records on it/,
      'plan 3 replicas of the-topic',
    ],
    [
      'one replica on two brokers',
      'events',
      { nodes: 2, replicas: 1, settings: { 'min.insync.replicas': '1' } },
      'replicas: 1, where 2 are possible',
      /loses the records on it/,
      'plan 2 replicas',
    ],
    [
      'two replicas on more brokers',
      'events',
      { nodes: 5, replicas: 2, settings: { 'min.insync.replicas': '1' } },
      'replicas: 2, where 3 are possible',
      /loses records or stops/,
      'plan 3 replicas',
    ],
    [
      'acknowledgements of one broker',
      'events',
      { settings: { 'min.insync.replicas': '1' } },
      'min.insync.replicas=1',
      /one broker alone/,
      'min.insync.replicas=2',
    ],
    [
      'acknowledgements of all brokers',
      'events',
      { settings: { 'min.insync.replicas': '3' } },
      'min.insync.replicas=3 (replicas: 3)',
      /one broker that is away stops/,
      'min.insync.replicas=2',
    ],
    [
      'more acknowledgements than replicas',
      'events',
      { nodes: 1, replicas: 1 },
      'min.insync.replicas=2 (replicas: 1)',
      /refuses all records/,
      'min.insync.replicas=1',
    ],
    [
      'unclean elections',
      'commands',
      { settings: { 'unclean.leader.election.enable': 'true' } },
      'unclean.leader.election.enable=true',
      /acknowledged records are lost/,
      'unclean.leader.election.enable=false',
    ],
    [
      'commands that are kept for less than a week',
      'commands',
      { settings: { 'retention.ms': String(7 * DAY_MS - 1) } },
      'retention.ms=604799999, which is 7.0 days',
      /without an answer/,
      'retention.ms=604800000',
    ],
    [
      'dead letters that are kept for a day',
      'dead letters',
      { settings: { 'retention.ms': String(DAY_MS) } },
      'retention.ms=86400000, which is 1 days',
      /no longer be redriven/,
      'retention.ms=604800000',
    ],
    [
      'events that are kept for a year',
      'events',
      { settings: { 'retention.ms': String(365 * DAY_MS) } },
      'which is 365 days',
      /cannot rebuild a lost database/,
      'retention.ms=-1   (or keep snapshots',
    ],
    [
      'events with a limit in bytes',
      'events',
      { settings: { 'retention.bytes': '0' } },
      'retention.bytes=0 for each partition',
      /cannot rebuild a lost database/,
      'retention.bytes=-1',
    ],
    [
      'commands that do not fit',
      'commands',
      { settings: { 'max.message.bytes': '999' } },
      'max.message.bytes=999, but commands may need 1000',
      /refuses commands/,
      'max.message.bytes=1000',
    ],
    [
      'events that do not fit',
      'events',
      { settings: { 'max.message.bytes': '999' } },
      'max.message.bytes=999, but events may need 1000',
      /its lane stops/,
      'max.message.bytes=1000',
    ],
    [
      'dead letters that do not fit',
      'dead letters',
      { settings: { 'max.message.bytes': '999' } },
      'max.message.bytes=999, but dead letters may need 1000',
      /lacks the command/,
      'max.message.bytes=1000',
    ],
  ];

  it.each(rows)(
    'give one finding with its risk and remedy: %s',
    (_, role, of, what, risk, mends) => {
      const findings = findingsOf(role, of);
      expect(findings).toHaveLength(1);
      const [finding] = findings;
      expect(finding?.problem).toContain(what);
      expect(finding?.risk).toMatch(risk);
      expect(finding?.remedy).toContain(mends);
    },
  );

  it('give commands that name the cluster and the topic', () => {
    const [finding] = findingsOf('commands', { settings: { 'cleanup.policy': 'compact' } });
    expect(finding?.remedy).toBe(
      'kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics ' +
        '--entity-name the-topic --add-config cleanup.policy=delete',
    );
  });

  it('give a finding for each thing that is wrong', () => {
    const settings = { 'cleanup.policy': 'compact', 'retention.ms': '1', 'retention.bytes': '1' };
    expect(findingsOf('events', { replicas: 1, settings })).toHaveLength(5);
  });

  it.each(['commands', 'dead letters'] as const)('may limit the size of %s', (role) => {
    expect(findingsOf(role, { settings: { 'retention.bytes': '1000000' } })).toEqual([]);
  });

  it.each(ROLES)('may keep everything for ever: %s', (role) => {
    expect(findingsOf(role, { settings: { 'retention.ms': '-1' } })).toEqual([]);
  });
});

describe('the retention of committed offsets', () => {
  it.each([
    [10_080, 0],
    [10_079, 1],
  ])('of %i minutes gives %i findings', (minutes, count) => {
    expect(offsetsFindings(minutes)).toHaveLength(count);
  });
});
