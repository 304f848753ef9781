import { z } from 'zod';
import { DEAD_LETTER_REASONS, type DeadLetterReason } from './dead-letter-reasons.ts';
import { TIME } from './event-attributes.ts';

const REASONS = Object.keys(DEAD_LETTER_REASONS) as readonly DeadLetterReason[];

const text = z.string().min(1);
const count = z.string().regex(/^\d{1,15}$/);
const time = z.string().regex(TIME).meta({ format: 'date-time' });
const list = z.string().meta({ contentMediaType: 'application/json' });

/**
 * The headers of a dead letter, besides the headers of its message. Kafka's headers are text. The
 * contract shows the descriptions.
 */
export const deadLetterHeaders = z.object({
  'dead-letter-reason': z.enum(REASONS).describe('why, as above'),
  'dead-letter-message': text.describe('one sentence for a person'),
  'dead-letter-topic': text.describe("the original's topic"),
  'dead-letter-partition': count.describe("the original's partition"),
  'dead-letter-offset': count.describe("the original's offset"),
  'dead-letter-attempts': count.describe('how often it was tried: 0 for `parked-behind`'),
  'dead-letter-failed-at': time.describe('ISO 8601 in UTC'),
  'dead-letter-redrives': count
    .exactOptional()
    .describe('how often it was sent again before, if it was'),
  'dead-letter-command-id': text
    .exactOptional()
    .describe("failed and parked commands only: the command's id"),
  'dead-letter-command-identity': text
    .exactOptional()
    .describe('… what the service knows the command by (source, tab, id)'),
  'dead-letter-skus': list.exactOptional().describe('… its products, a JSON array'),
  'dead-letter-behind': list
    .exactOptional()
    .describe('… the failed commands that it waits for, a JSON array'),
  'dead-letter-position': count.exactOptional().describe('… its place among the parked commands'),
  'dead-letter-cut': z
    .enum(['skus', 'skus,behind'])
    .exactOptional()
    .describe('… which lists had no room: `skus`, or `skus,behind`'),
});

/** The headers of a marker, which is a record that takes one dead letter off the list. */
export const markerHeaders = z.object({
  'dead-letter-resolves': text.describe("the letter's place"),
  'dead-letter-resolution': z.enum(['redriven', 'discarded']).describe('`redriven` or `discarded`'),
  'dead-letter-resolved-at': time.describe('ISO 8601 in UTC'),
  'dead-letter-resolved-by': text.describe('`user@host` of the operator, or the caller over HTTP'),
  'dead-letter-replaced-by': text
    .exactOptional()
    .describe('after an edit: the id of the command sent in its place'),
});
