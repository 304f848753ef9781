import type { JsonSchema } from '../../../contract/json-schemas.ts';
import { CLOUD_EVENT_TYPE } from '../../../messages/cloud-events.ts';
import { commandVersions } from '../../../messages/command-schemas.ts';
import { EVENT_BATCH_TYPE } from '../content-types.ts';
import { toJsonSchema } from './json-schema.ts';
import type { Content } from './operation.ts';

const types = Object.keys(commandVersions) as readonly (keyof typeof commandVersions)[];

const name = { type: 'string', minLength: 1, maxLength: 255 };
/** The service ignores an attribute of another form. */
const LENIENT = { description: 'a string; anything else counts as absent' };
const dataOf = (type: string) => ({ $ref: `#/components/schemas/${type}` });
const command = { $ref: '#/components/schemas/Command' };
const event = { $ref: '#/components/schemas/CommandEvent' };

const order = { orderid: 'order-1', sku: 'SMALL-TABLE', qty: 2 };
const orderEvent = {
  specversion: '1.0',
  id: 'cmd-1',
  source: '/shop',
  type: 'AllocateOrder',
  data: order,
};
const batch = { type: 'CreateBatch', reference: 'batch-1', sku: 'SMALL-TABLE', quantity: 20 };
const lines = [batch, { type: 'AllocateOrder', ...order }];

const jsonLines = {
  schema: { type: 'string', description: 'one command as plain JSON in each line' },
  examples: { lines: lines.map((line) => `${JSON.stringify(line)}\n`).join('') },
};

/** The bodies of `POST /commands`: one command in each of its forms, and batches. */
export const commandContent: Content = {
  'application/json': {
    schema: {
      description: 'a command as plain JSON; or, with the headers of binary mode, its data alone',
      anyOf: [command, ...types.map((type) => closed(dataOf(type)))],
    },
    examples: {
      createBatch: batch,
      allocateOrder: { type: 'AllocateOrder', id: 'cmd-1', ...order },
      dataInBinaryMode: order,
    },
  },
  [CLOUD_EVENT_TYPE]: { schema: { anyOf: [event] }, examples: { structured: orderEvent } },
  [EVENT_BATCH_TYPE]: {
    schema: { type: 'array', minItems: 1, maxItems: 1_000, items: event },
    examples: { batch: [orderEvent] },
  },
  'application/jsonl': jsonLines,
  'application/x-ndjson': jsonLines,
};

/** The schemas of commands, by the name of their component. */
export function commandComponents(): Readonly<Record<string, JsonSchema>> {
  const data = types.map((type) => [type, toJsonSchema(commandVersions[type].schema)] as const);
  return {
    ...Object.fromEntries(data),
    Command: { description: 'A command as plain JSON', oneOf: types.map(plain) },
    CommandEvent: {
      description: 'A command as a CloudEvent in structured mode',
      type: 'object',
      properties: {
        specversion: { const: '1.0' },
        id: name,
        source: name,
        correlationid: name,
        traceparent: LENIENT,
        dataschema: LENIENT,
      },
      required: ['specversion', 'id', 'source', 'type', 'data'],
      oneOf: types.map((type) => ({
        properties: { type: { const: type }, data: closed(dataOf(type)) },
      })),
    },
  };
}

function plain(type: string): JsonSchema {
  const attributes = {
    type: 'object',
    properties: { type: { const: type }, id: name, dataschema: LENIENT },
    required: ['type'],
  };
  return closed(attributes, dataOf(type));
}

/** The API refuses fields that the service does not know. */
function closed(...schemas: readonly JsonSchema[]): JsonSchema {
  return { allOf: schemas, unevaluatedProperties: false };
}
