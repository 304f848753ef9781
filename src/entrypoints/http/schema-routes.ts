import {
  type JsonSchema,
  type MessageSchema,
  messageSchemas,
  publishedSchema,
} from '../../contract/json-schemas.ts';
import { dataschemaOf, SCHEMAS_PATH } from '../../messages/versions.ts';
import {
  SCHEMA_LIST_OPERATION,
  SCHEMA_OPERATION,
  SCHEMA_TYPE,
} from './openapi/schema-operations.ts';
import { answerProblem, PROBLEMS } from './problem.ts';
import type { Route } from './routes.ts';

/**
 * The routes that serve the JSON Schema of each message, at the URI that its `dataschema` names.
 * They are open, because a schema holds no data.
 */
export function schemaRoutes(): readonly Route[] {
  const messages = messageSchemas();
  const byUri = new Map(messages.map((each) => [dataschemaOf(each.type, each.version), each]));
  return [
    {
      method: 'GET',
      url: SCHEMAS_PATH,
      access: 'open',
      operation: SCHEMA_LIST_OPERATION,
      handler: () => ({ schemas: messages.map(entryOf) }),
    },
    {
      method: 'GET',
      url: `${SCHEMAS_PATH}/:type/:version`,
      access: 'open',
      operation: SCHEMA_OPERATION,
      handler: (request, reply) => {
        const { type = '', version = '' } = request.params;
        const message = byUri.get(`${SCHEMAS_PATH}/${type}/${version}`);
        if (!message)
          return answerProblem(reply, PROBLEMS.unknownSchema(type, version, [...byUri.keys()]));
        // Fastify adds a charset to text, which this media type does not have. So send bytes.
        return reply.type(SCHEMA_TYPE).send(bytesOf(publishedSchema(message)));
      },
    },
  ];
}

function entryOf({ kind, type, version }: MessageSchema) {
  return { kind, type, version, uri: dataschemaOf(type, version) };
}

function bytesOf(schema: JsonSchema): Buffer {
  return Buffer.from(JSON.stringify(schema));
}
