import { header, MalformedMessageError, type WireMessage } from './cloud-events.ts';
import { SOURCE } from './event-attributes.ts';

/** The place of a command in the commands topic. */
export interface CommandPlace {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
}

/**
 * Matches `<topic>/<partition>/<offset>`, with `.<number>` for a further part of a split composite.
 * A number of up to 15 digits is below 2^53.
 */
const ID = /^([^/]+)\/(0|[1-9]\d{0,9})\/(0|[1-9]\d{0,14})(?:\.[1-9]\d{0,8})?$/;

/**
 * Reads the place of the command that a record of the events topic answers. The rest of the record
 * is not checked.
 *
 * @returns null: the record is not an answer
 */
export function readAnswerPlace(message: WireMessage): CommandPlace | null {
  const place = commandPlaceIn(headerOrNull(message, 'ce_id'));
  return place && headerOrNull(message, 'ce_source') === SOURCE ? place : null;
}

/** Reads the place of the command out of the id of an event. Null: the id has no place. */
export function commandPlaceIn(id: string | null): CommandPlace | null {
  const [, topic, partition, offset] = ID.exec(id ?? '') ?? [];
  if (topic === undefined) return null;
  return { topic, partition: Number(partition), offset: Number(offset) };
}

function headerOrNull(message: WireMessage, name: string): string | null {
  try {
    return header(message, name);
  } catch (error) {
    if (error instanceof MalformedMessageError) return null;
    throw error;
  }
}
