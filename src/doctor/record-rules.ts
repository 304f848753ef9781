import type { Finding } from './finding.ts';
import { DAY_MS, ENOUGH_DAYS, type ExaminedTopic } from './topic-rule.ts';

const UNLIMITED = -1;
const LOST_EVENTS = 'Kafka deletes events, and the rest alone cannot rebuild a lost database';
const OR_SNAPSHOTS = '   (or keep snapshots: npx allocation replay snapshot --help)';

export function compaction({ topic, state, change }: ExaminedTopic): Finding | null {
  const policy = state.settings?.get('cleanup.policy') ?? '';
  if (!policy.includes('compact')) return null;
  const risks = {
    commands: 'compaction deletes commands that nobody has answered',
    events: 'compaction deletes answers, which consumers miss and a rebuild needs',
    'dead letters': 'compaction deletes letters that wait',
    audit: 'compaction deletes the beginnings of acts',
  };
  return {
    problem: `cleanup.policy=${policy}`,
    risk: risks[topic.role],
    remedy: change('cleanup.policy', 'delete'),
  };
}

export function shortRetention({ topic, number, change }: ExaminedTopic): Finding | null {
  const retentionMs = number('retention.ms');
  const enoughMs = topic.role === 'events' ? Number.POSITIVE_INFINITY : ENOUGH_DAYS * DAY_MS;
  if (retentionMs === UNLIMITED || !(retentionMs < enoughMs)) return null;
  const risks = {
    commands: 'commands that wait longer are deleted without an answer',
    events: LOST_EVENTS,
    'dead letters': 'letters that wait longer are deleted, and can no longer be redriven',
    audit: 'nobody can tell who did what longer ago',
  };
  return {
    problem: `retention.ms=${retentionMs}, which is ${daysIn(retentionMs)}`,
    risk: risks[topic.role],
    remedy:
      topic.role === 'events'
        ? change('retention.ms', UNLIMITED) + OR_SNAPSHOTS
        : change('retention.ms', enoughMs),
  };
}

export function limitedSize({ topic, number, change }: ExaminedTopic): Finding | null {
  const bytes = number('retention.bytes');
  if (topic.role !== 'events' || !(bytes >= 0)) return null;
  return {
    problem: `retention.bytes=${bytes} for each partition`,
    risk: LOST_EVENTS,
    remedy: change('retention.bytes', UNLIMITED) + OR_SNAPSHOTS,
  };
}

export function smallMessages({ topic, number, change }: ExaminedTopic): Finding | null {
  const bytes = number('max.message.bytes');
  if (!(bytes < topic.maxMessageBytes)) return null;
  const risks = {
    commands: 'Kafka refuses commands that the service would take',
    events: 'Kafka refuses a large answer, and its lane stops there',
    'dead letters': 'the letter of a large command lacks the command itself',
    audit: 'Kafka refuses the record of an act on many things, so the service refuses the act',
  };
  return {
    problem: `max.message.bytes=${bytes}, but ${topic.role} may need ${topic.maxMessageBytes}`,
    risk: risks[topic.role],
    remedy: change('max.message.bytes', topic.maxMessageBytes),
  };
}

function daysIn(ms: number): string {
  const days = ms / DAY_MS;
  return `${Number.isInteger(days) ? days : days.toFixed(1)} days`;
}
