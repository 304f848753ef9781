import { z } from 'zod';
import { DEAD_LETTER_REASONS } from '../../../messages/dead-letter-reasons.ts';
import { nameParameter } from '../query-schemas.ts';

const REASONS = Object.keys(DEAD_LETTER_REASONS);
const text = z.string().nullable();
const time = z.string().describe('ISO 8601 in UTC');

/** What the letters of a choice have in common. */
export const letterFilters = {
  reason: z
    .enum(REASONS, `must be one of: ${REASONS.join(', ')}`)
    .optional()
    .describe('why the message is a dead letter'),
  type: nameParameter.optional().describe('the type of the command'),
  sku: nameParameter
    .optional()
    .describe('a product of a parked command, or the key of an unreadable message'),
  orderid: nameParameter.optional().describe('the order that the command names'),
  since: z
    .string('must be given once')
    .refine((each) => !Number.isNaN(Date.parse(each)), 'must be a time: 2026-11-25T18:00:00Z')
    .optional()
    .describe('only letters from this time on'),
};

/** A letter in a listing. */
export const letterSummary = z.object({
  id: z.string().describe('where the letter lies, `<topic>/<partition>/<offset>`'),
  place: z.string().describe('where its message came in, `<topic>/<partition>/<offset>`'),
  at: time,
  reason: z.string(),
  cause: z.string().describe("the letter's message, without the names in which letters differ"),
  type: text.describe('of the command; null: nobody can read it'),
  sku: text.describe('the first product; null: the message names none'),
  orderid: text,
  commandId: z.string(),
  status: z.enum(['open', 'redriven', 'discarded']),
  parkedBehind: text.describe('the letter of the failed command that this one waits for'),
  outlook: z
    .enum(['good', 'fails-again', 'ignores-fields'])
    .describe('what a redrive of the unchanged message leads to, as far as the message tells'),
});

export const summaryExample = {
  id: 'allocation.dead-letters/0/3',
  place: 'allocation.commands/0/7',
  at: '2026-11-25T18:00:00.000Z',
  reason: 'invalid-data',
  cause: 'AllocateOrder: qty must be at least 1',
  type: 'AllocateOrder',
  sku: 'SMALL-TABLE',
  orderid: 'order-1',
  commandId: 'cmd-1',
  status: 'open',
  parkedBehind: null,
  outlook: 'fails-again',
};

/** How far the service has read the dead letters topic. */
export const readingFields = {
  isComplete: z
    .boolean()
    .describe('whether the answer knows every letter; false: a later answer knows more'),
  readOffsets: z.int().describe('how many offsets of the topic are read'),
  totalOffsets: z.int().describe('how many offsets the topic has'),
  leftOut: z
    .int()
    .describe('how many letters on the list the service has no memory for: use the command line'),
};
export const readingExample = { isComplete: true, readOffsets: 5, totalOffsets: 5, leftOut: 0 };

/** Letters with the same reason, type and cause. */
export const letterGroup = z.object({
  reason: z.string(),
  type: text,
  cause: z.string(),
  count: z.int(),
  oldestAt: time,
  whatToDo: z.string().describe('for an operator, in one sentence'),
});

const expected = z.object({
  failure: text.describe('why the message is no command; null: it is one'),
  ignored: z.array(z.string()).describe('the fields that the service ignores'),
});

/** One whole letter. */
export const letterView = letterSummary.extend({
  inPlainWords: z.string(),
  whatToDo: z.string(),
  message: z.string(),
  attempts: z.number(),
  redrives: z.int(),
  skus: z.array(z.string()),
  key: text.describe('as text; `0x` and hexadecimal digits if it is not UTF-8'),
  headers: z.array(z.tuple([z.string(), z.string()])),
  data: text.describe('the value of the message; null: the letter has none'),
  encoding: z.enum(['utf-8', 'base64']).describe('of `data`'),
  command: z
    .object({ type: text, data: z.unknown() })
    .nullable()
    .describe('what the message says, to begin an edit with; null: nobody can read it'),
  expected,
  chain: z
    .array(z.string())
    .describe('the letters that a redrive sends, in their order, at most 1,000'),
  hasMoreChain: z.boolean(),
  acts: z.array(
    z.object({
      act: z.enum(['redrive', 'edit', 'discard']),
      by: text,
      at: time,
      replacedBy: z.string().optional().describe('the id of the command that was sent instead'),
    }),
  ),
});

/** What a redrive, a discard or an edit would do. */
export const letterPreview = z.object({
  count: z.int().describe('how many letters would be redriven or discarded'),
  discardCount: z.int().describe('how many of them would be discarded'),
  records: z
    .array(
      z.object({
        id: z.string(),
        act: z.enum(['redrive', 'discard']),
        place: z.string(),
        key: text,
        type: text,
        commandId: z.string(),
        expected,
      }),
    )
    .describe('the first 100, in their order'),
  refusalCount: z.int(),
  refusals: z
    .array(z.object({ id: z.string(), why: z.string() }))
    .describe('the first 100 letters that would not be redriven'),
  alreadyResolved: z.int().describe('how many of the chosen letters are off the list'),
  failsAgain: z.int().describe('how many would fail again, because they cannot be read'),
  ignoresFields: z.int().describe('how many have fields that the service ignores'),
  replacement: z
    .object({ id: z.string(), data: z.string() })
    .nullable()
    .describe('the command that an edit sends'),
});

export const previewExample = {
  count: 1,
  discardCount: 0,
  records: [
    {
      id: summaryExample.id,
      act: 'redrive',
      place: summaryExample.place,
      key: 'SMALL-TABLE',
      type: 'AllocateOrder',
      commandId: 'cmd-1',
      expected: { failure: null, ignored: [] },
    },
  ],
  refusalCount: 0,
  refusals: [],
  alreadyResolved: 0,
  failsAgain: 0,
  ignoresFields: 0,
  replacement: null,
};
