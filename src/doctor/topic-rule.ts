import type { TopicState } from '../adapters/broker/kafka/examination.ts';
import type { Finding } from './finding.ts';

/** What the service uses a topic for. */
type TopicRole = 'commands' | 'events' | 'dead letters';

/** A topic as the service needs it. */
export interface NeededTopic {
  readonly name: string;
  readonly role: TopicRole;
  /** The largest message that the topic must take, in bytes. */
  readonly maxMessageBytes: number;
}

/** What a rule looks at. */
export interface Patient {
  readonly topic: NeededTopic;
  readonly state: TopicState;
  /** Reads a number. NaN: Kafka does not tell it, so no comparison holds. */
  readonly number: (setting: string) => number;
  /** Returns the command that changes one setting of the topic. */
  readonly change: (setting: string, value: string | number) => string;
}

/** Finds one thing that is wrong with a topic. Null: that is as it should be. */
export type Rule = (patient: Patient) => Finding | null;

export const DAY_MS = 24 * 60 * 60 * 1_000;
/** How long commands, dead letters and offsets must be kept: a weekend and some days. */
export const ENOUGH_DAYS = 7;
