import { z } from 'zod';
import { REJECTIONS } from '../../../messages/rejections.ts';
import { structuredEvent } from './event-components.ts';

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
      .array(structuredEvent)
      .describe('structured CloudEvents; empty: the command has changed nothing'),
    advice: z
      .string()
      .optional()
      .describe('for people: what the sender can do, for each reason of a CommandRejected'),
    repeats: z.string().optional().describe('the place of the earlier, same command'),
    differs: z
      .literal(true)
      .optional()
      .describe('the earlier command has other content, so the service dropped this one'),
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

const attributes = {
  specversion: '1.0',
  id: 'allocation.commands/0/7',
  source: '/allocation',
  time: '2027-01-31T12:00:00.000Z',
  causationid: 'cmd-1',
  causationform: 'id',
  correlationid: 'cmd-1',
  datacontenttype: 'application/json',
};
export const answered = {
  ...acceptedExample,
  status: 'answered',
  events: [
    {
      ...attributes,
      type: 'Allocated',
      subject: 'SMALL-TABLE',
      sequence: '2',
      dataschema: '/allocation/schemas/Allocated/1',
      data: { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 2, batchref: 'batch-1' },
    },
  ],
};
export const rejected = {
  ...acceptedExample,
  status: 'answered',
  events: [
    {
      ...attributes,
      type: 'CommandRejected',
      subject: 'order-1',
      dataschema: '/allocation/schemas/CommandRejected/1',
      data: {
        command: 'DeallocateOrder',
        reason: 'unknown-order',
        detail: 'Nothing is allocated to order order-1',
        orderid: 'order-1',
      },
    },
  ],
  advice: `unknown-order: ${REJECTIONS['unknown-order'].advice}`,
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
  rejected,
  pending: pendingExample,
  deadLetter,
};
