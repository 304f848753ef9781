import { z } from 'zod';
import { nameParameter } from '../query-schemas.ts';
import { commandContent } from './command-content.ts';
import {
  acceptedExample,
  answered,
  commandStatus,
  deadLetter,
  pending,
  pendingExample,
  rejected,
  statusExamples,
} from './command-status-schema.ts';
import type { HeaderField, Operation } from './operation.ts';

const item = z.looseObject({ status: z.int().describe('202, or the status of a problem') });
const acceptedItem = {
  ...acceptedExample,
  status: 202,
  location: '/commands/allocation.commands/0/7',
};
const refusedItem = {
  id: 'cmd-2',
  type: 'about:blank',
  title: 'Bad Request',
  status: 400,
  detail: 'AllocateOrder: qty must be at least 1',
  reason: 'invalid-data',
  errors: [{ field: 'qty', message: 'must be at least 1' }],
};

const location: HeaderField = {
  description: 'where `GET` says what has become of the command',
  type: 'string',
  example: '/commands/allocation.commands/0/7',
};
const applied: HeaderField = {
  description: 'the preference that the service follows (RFC 7240)',
  type: 'string',
  example: 'wait=5',
};

const wait = z
  .string('must be given once')
  .regex(/^\d+s?$/, 'must be a number of seconds: wait=5s')
  .optional()
  .describe('how long to wait for the answer, such as `5s`; at most 30 s');
const prefer = z.string().optional().describe('`wait=5` waits for the answer (RFC 7240)');

/** `POST /commands`. */
export const POST_COMMANDS: Operation = {
  id: 'sendCommands',
  tag: 'commands',
  summary: 'Send a command, or a batch of commands',
  description:
    'A 503 or a broken connection leaves open whether the command was accepted: send it again ' +
    'with the same id. `ce-…` headers make the body the data of a CloudEvent in binary mode. ' +
    'They are percent-encoded (CloudEvents HTTP binding).',
  query: z.object({ wait }),
  headers: z.object({
    prefer,
    'ce-specversion': z.literal('1.0').optional(),
    'ce-id': z.string().optional(),
    'ce-source': z.string().optional(),
    'ce-type': z.string().optional(),
    'ce-correlationid': z.string().optional().describe('comes back on every event'),
    'ce-dataschema': z.string().optional().describe('the version of the data'),
    traceparent: z.string().optional().describe('W3C Trace Context'),
    tracestate: z.string().optional().describe('counts while tracing is on'),
  }),
  body: commandContent,
  answers: {
    200: {
      description: 'The command is answered: its events are published, or it is a dead letter',
      headers: { location, 'preference-applied': applied },
      content: {
        'application/json': { schema: commandStatus, examples: { answered, rejected, deadLetter } },
      },
    },
    202: {
      description: 'The log has the command, or all commands of the batch',
      headers: { location, 'preference-applied': applied },
      content: {
        'application/json': {
          schema: z.union([pending, z.object({ items: z.array(item) })]),
          examples: { command: pendingExample, batch: { items: [acceptedItem] } },
        },
      },
    },
    207: {
      description: 'Some commands of the batch are refused; the log has the others',
      content: {
        'application/json': {
          schema: z.object({ items: z.array(item) }),
          examples: { batch: { items: [acceptedItem, refusedItem] } },
        },
      },
    },
  },
  problems: [
    'invalidParameter',
    'unknownParameter',
    'waitForBatch',
    'unreadableCommand',
    'reservedSource',
    'largeCommand',
    'largeForTopic',
    'encodedCommand',
    'unknownContentType',
    'manyCommands',
  ],
};

const statusAnswers: Operation['answers'] = {
  200: {
    description: 'What has become of the command',
    headers: { 'preference-applied': applied },
    content: { 'application/json': { schema: commandStatus, examples: statusExamples } },
  },
};

/** `GET /commands/:id`. */
export const GET_COMMAND: Operation = {
  id: 'getCommand',
  tag: 'commands',
  summary: 'What has become of a command, by its id',
  params: z.object({ id: nameParameter }),
  query: z.object({
    source: nameParameter.optional().describe('the source of the command, if it is a CloudEvent'),
    wait,
  }),
  headers: z.object({ prefer }),
  answers: statusAnswers,
  problems: ['invalidParameter', 'unknownParameter', 'unknownCommand', 'longName', 'manyReads'],
};

/** `GET /commands/:topic/:partition/:offset`. */
export const GET_COMMAND_AT: Operation = {
  id: 'getCommandAt',
  tag: 'commands',
  summary: 'What has become of a command, by its place',
  params: z.object({ topic: z.string(), partition: z.string(), offset: z.string() }),
  query: z.object({ wait }),
  headers: z.object({ prefer }),
  answers: statusAnswers,
  problems: [
    'invalidParameter',
    'unknownParameter',
    'unknownCommand',
    'emptyPlace',
    'longName',
    'manyReads',
  ],
};
