import { z } from 'zod';
import type { Operation } from './operation.ts';

/** The media type of a JSON Schema. */
export const SCHEMA_TYPE = 'application/schema+json';

const entry = z.object({
  kind: z.enum(['command', 'event', 'audit']),
  type: z.string(),
  version: z.int().min(1),
  uri: z.string().describe('the path of the schema, which is also the `dataschema` of messages'),
});
const ALLOCATED = {
  kind: 'event',
  type: 'Allocated',
  version: 1,
  uri: '/allocation/schemas/Allocated/1',
};

/** `GET /allocation/schemas`. */
export const SCHEMA_LIST_OPERATION: Operation = {
  id: 'listSchemas',
  tag: 'contract',
  summary: 'The schemas of all messages',
  answers: {
    200: {
      description: 'Every version of every type of message',
      content: {
        'application/json': {
          schema: z.object({ schemas: z.array(entry) }),
          examples: { schemas: { schemas: [ALLOCATED] } },
        },
      },
    },
  },
};

/** `GET /allocation/schemas/:type/:version`. */
export const SCHEMA_OPERATION: Operation = {
  id: 'getSchema',
  tag: 'contract',
  summary: 'The schema of a message',
  description: 'The path is the `dataschema` of the message.',
  params: z.object({
    type: z
      .string()
      .describe('the type of the message')
      .meta({ examples: ['Allocated'] }),
    version: z
      .string()
      .describe('the version of its data')
      .meta({ examples: ['1'] }),
  }),
  answers: {
    200: {
      description: 'A JSON Schema (2020-12) of the data',
      content: {
        [SCHEMA_TYPE]: {
          // Fastify's plugin takes every `$id` in the document for the name of a schema.
          schema: z.looseObject({ title: z.string(), type: z.string() }),
          examples: { allocated: { title: ALLOCATED.type, type: 'object' } },
        },
      },
    },
  },
  problems: ['unknownSchema'],
};
