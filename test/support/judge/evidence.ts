import type { ModelEvent } from '../allocation-model.ts';
import type { HistoryRecord } from './history.ts';
import type { Origin } from './identity.ts';

/** The answer to one command: one message, or the consecutive messages of a split composite. */
export interface Answer {
  /** The place of the answered command. */
  readonly place: string;
  /** The record of the first message. */
  readonly record: HistoryRecord;
  readonly messages: readonly Message[];
  readonly events: readonly ModelEvent[];
}

/** One message of an answer. */
export interface Message {
  readonly record: HistoryRecord;
  /** The number of the message within its answer, from 1 on. */
  readonly number: number;
  /** The ids of the parts of a composite. Null: the message is a single event. */
  readonly partIds: readonly string[] | null;
  /** The attributes of each part of a composite. */
  readonly parts: readonly PartAttributes[];
  readonly events: readonly ModelEvent[];
}

/** The attributes of one part of a composite, by name. */
export type PartAttributes = Readonly<Record<string, unknown>>;

/** A dead letter, and what was done with it. */
export interface Letter {
  readonly reason: string;
  /** The resolution of the dead letter. Null: the letter waits. */
  readonly resolution: string | null;
  readonly record: HistoryRecord;
}

/** A readable command of the commands topic, with its answer and its dead letter. */
export interface LaneCommand extends Origin {
  readonly place: string;
  readonly partition: number;
  readonly offset: number;
  readonly body: Readonly<Record<string, unknown>>;
  /** Null: nothing was published, which is right only if nothing happened. */
  readonly answer: Answer | null;
  readonly letter: Letter | null;
}

/** A command that a lane has handled. */
export interface HandledCommand {
  readonly place: string;
  readonly partition: number;
  readonly offset: number;
  readonly id: string;
  readonly identity: string;
  /** Null: the command was deleted, and only its answer remains. */
  readonly body: LaneCommand['body'] | null;
  readonly answer: Answer | null;
}
