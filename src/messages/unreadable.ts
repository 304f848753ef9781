import type { z } from 'zod';
import { nameHint } from '../nearest-name.ts';
import { pathText, type UnknownField, unknownFieldText } from './known-fields.ts';

/** A message that is not a command. */
export interface UnreadableMessage {
  readonly kind: 'unreadable';
  readonly reason: 'malformed' | 'unknown-type' | 'invalid-data' | 'too-large';
  /** Says in one sentence, for people, why the message is not a command. */
  readonly message: string;
  /** Lists each wrong field, for the sender. At most 20. */
  readonly fields: readonly { readonly field: string; readonly message: string }[];
}

/** The most wrong fields that a refusal names. */
const MAX_WRONG_FIELDS = 20;

/**
 * Refuses the data of a message.
 *
 * @param issues what the schema says
 * @param unknown the fields that are refused because no schema reads them
 */
export function invalidData(
  type: string,
  issues: readonly z.core.$ZodIssue[],
  unknown: readonly UnknownField[],
): UnreadableMessage {
  const wrong = issues.map(({ path, message }) =>
    path.length > 0
      ? { field: path.join('.'), message }
      : { field: 'data', message: 'must be a JSON object' },
  );
  const foreign = unknown.map((field) => ({
    field: pathText(field.path),
    message: unknownFieldText(field, type),
  }));
  const all = [...wrong, ...foreign];
  const fields = all.slice(0, MAX_WRONG_FIELDS);
  const summary = fields.map(({ field, message }) => `${field} ${message}`).join('; ');
  const more = all.length > fields.length ? `; and ${all.length - fields.length} more` : '';
  return unreadable('invalid-data', `${type}: ${summary}${more}`, fields);
}

/** Refuses a type that the service does not know. @param known the types that it knows */
export function unknownType(type: string | null, known: readonly string[]): UnreadableMessage {
  const name = type?.slice(0, 80);
  return unreadable(
    'unknown-type',
    name === undefined
      ? `The message has no type; use one of: ${known.join(', ')}`
      : `Unknown command "${name}"; ${nameHint(name, known)}`,
  );
}

/** Makes the refusal of a message. */
export function unreadable(
  reason: UnreadableMessage['reason'],
  message: string,
  fields: UnreadableMessage['fields'] = [],
): UnreadableMessage {
  return { kind: 'unreadable', reason, message, fields };
}
