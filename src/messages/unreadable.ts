import type { z } from 'zod';
import { nameHint } from '../nearest-name.ts';
import { pathText, type UnknownField, unknownFieldText } from './known-fields.ts';

/** A field of the data, or an attribute, that keeps a message from being a command. */
export interface WrongField {
  /** The path to the field, such as `lines.0.sku`; or the name of the attribute. */
  readonly field: string;
  /** Continues the sentence that begins with the field, for people. */
  readonly message: string;
}

/** A message that is not a command. */
export interface UnreadableMessage {
  readonly kind: 'unreadable';
  readonly reason: 'malformed' | 'unknown-type' | 'invalid-data' | 'too-large';
  /** Says in one sentence, for people, why the message is not a command. */
  readonly message: string;
  /** Lists what is wrong, for the sender. At most 20. Empty: the message as a whole is wrong. */
  readonly fields: readonly WrongField[];
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
  const unread = unknown.map((field) => ({
    field: pathText(field.path),
    message: unknownFieldText(field, type),
  }));
  const all = [...wrong, ...unread];
  const fields = all.slice(0, MAX_WRONG_FIELDS);
  const summary = fields.map(({ field, message }) => `${field} ${message}`).join('; ');
  const more = all.length > fields.length ? `; and ${all.length - fields.length} more` : '';
  return unreadable('invalid-data', `${type}: ${summary}${more}`, fields);
}

/**
 * Refuses a type that the service does not know.
 *
 * @param known the types that the service knows
 */
export function unknownType(type: string | null, known: readonly string[]): UnreadableMessage {
  if (type === null) {
    const hint = `use one of: ${known.join(', ')}`;
    const missing = { field: 'type', message: `is required; ${hint}` };
    return unreadable('unknown-type', `The message has no type; ${hint}`, [missing]);
  }
  const name = type.slice(0, 80);
  const message = `Unknown command "${name}"; ${nameHint(name, known)}`;
  return unreadable('unknown-type', message, [
    { field: 'type', message: `"${name}" is unknown; ${nameHint(name, known)}` },
  ]);
}

/** Makes the refusal of a message. */
export function unreadable(
  reason: UnreadableMessage['reason'],
  message: string,
  fields: UnreadableMessage['fields'] = [],
): UnreadableMessage {
  return { kind: 'unreadable', reason, message, fields };
}
