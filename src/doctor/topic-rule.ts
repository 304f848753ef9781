import type { TopicState } from '../adapters/broker/kafka/examination.ts';
import type { Finding } from './finding.ts';

/** What the service uses a topic for. */
type TopicRole = 'commands' | 'events' | 'dead letters' | 'audit';

/** A topic as the service needs it. */
export interface NeededTopic {
  readonly name: string;
  readonly role: TopicRole;
  /** The largest message that the topic must take, in bytes. */
  readonly maxMessageBytes: number;
}

/** The topic that a rule examines. */
export interface ExaminedTopic {
  readonly topic: NeededTopic;
  readonly state: TopicState;
  /** Reads a number. Returns NaN if Kafka does not tell it. No comparison with NaN holds. */
  readonly number: (setting: string) => number;
  /** Returns the command that changes one setting of the topic. */
  readonly change: (setting: string, value: string | number) => string;
}

/** The part of a topic that rules of replication examine. Kafka's own topics have it too. */
export interface ReplicatedTopic extends Omit<ExaminedTopic, 'topic'> {
  readonly topic: Pick<NeededTopic, 'name'>;
}

/** Finds one thing that is wrong with a topic. Null: nothing is wrong. */
export type Rule = (examined: ExaminedTopic) => Finding | null;

export const DAY_MS = 24 * 60 * 60 * 1_000;
/** How long commands, dead letters and offsets must be kept: a weekend and some days. */
export const ENOUGH_DAYS = 7;
