import { z } from 'zod';

const RULE = 'must be 1 to 500 characters without control characters';
/** Says what JSON Schema can say of the reason, with a pattern that every language can read. */
const IN_JSON_SCHEMA = {
  minLength: 1,
  maxLength: 500,
  pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$',
} as const;

/** Why somebody pauses a lane. */
export const pauseReason = z
  .string(RULE)
  .regex(/^[^\p{Cc}\p{Cs}]{1,500}$/u, RULE)
  .meta(IN_JSON_SCHEMA)
  .describe('why, for the people who look at the lane');
