import { z } from 'zod';

const place = {
  topic: z.string(),
  partition: z.int().min(0),
  offset: z.int().min(0),
};
/** A command that the log has accepted. */
export const accepted = z.object({
  id: z.string().describe('the id that the sender chose; without one, the place'),
  ...place,
});
export const acceptedExample = {
  id: 'cmd-1',
  topic: 'allocation.commands',
  partition: 0,
  offset: 7,
};

/** A command that is not answered yet. */
export const pending = accepted.extend({ status: z.literal('pending') });
export const pendingExample = { ...acceptedExample, status: 'pending' };

/** What has become of a command. */
export const commandStatus = z.discriminatedUnion('status', [
  pending,
  accepted.extend({
    status: z.literal('answered'),
    events: z
      .array(z.looseObject({ type: z.string(), id: z.string(), data: z.looseObject({}) }))
      .describe('structured CloudEvents; empty: the command has changed nothing'),
    repeats: z.string().optional().describe('the place of the same command that came before'),
    differs: z
      .literal(true)
      .optional()
      .describe('the command before it has other content, so this one was dropped'),
  }),
  accepted.extend({
    status: z.literal('dead-letter'),
    reason: z.string(),
    message: z.string().describe('for people'),
    advice: z.string().describe('what the sender or an operator can do'),
    letter: z.string().describe('the place of the dead letter'),
    resolution: z.string().optional().describe('what an operator has done about the letter'),
    replacedBy: z.string().optional().describe('the id of the edited command that was sent'),
  }),
]);

export const answered = {
  ...acceptedExample,
  status: 'answered',
  events: [
    {
      specversion: '1.0',
      id: 'allocation.commands/0/7',
      source: '/allocation',
      type: 'Allocated',
      causationid: 'cmd-1',
      sequence: '2',
      data: { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 2, batchref: 'batch-1' },
    },
  ],
};
export const deadLetter = {
  ...acceptedExample,
  status: 'dead-letter',
  reason: 'handler-failed',
  message: 'The handler failed 4 times',
  advice: 'Wait for an operator: once the cause is mended, they redrive the command.',
  letter: 'allocation.dead-letters/0/3',
};
/** A command in each state. */
export const statusExamples = {
  answered,
  pending: pendingExample,
  deadLetter,
};
