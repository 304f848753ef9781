import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import { z } from 'zod';
import { JSON_TYPE } from '../content-types.ts';
import type { Access } from '../doors/access.ts';
import { commandComponents } from './command-content.ts';
import type { DescribedOperation, OpenApiDocument } from './described-api.ts';
import { eventComponents } from './event-components.ts';
import { toJsonSchema } from './json-schema.ts';
import type { Content, Operation, RouteAnswer } from './operation.ts';
import { JSON_PROBLEMS, problemResponses, sharedResponses } from './problem-responses.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the route says of itself. Absent: the document does not show the route. */
    operation?: Operation;
    access?: Access;
  }
}

const DESCRIPTION = `A stock allocation service: commands in, events out.

Names in paths are percent-encoded. \`HEAD\` works wherever \`GET\` does, except for \`/events\`.
Errors are \`application/problem+json\` (RFC 9457): 404 for a path without a route, and 405 with
\`Allow\` for a method that the route lacks. Answers may gain fields.`;

const problem = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('for people; it may change at any time'),
    reason: z.string().optional().describe('why a command is refused, as in a dead letter'),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('the wrong fields and attributes of a command or a body, at most 20'),
    role: z.string().optional().describe('the role that the token lacks'),
    job: z.string().optional().describe('the id of the job that runs'),
    parameter: z.string().optional().describe('the parameter that is not valid'),
  })
  .describe('Problem details (RFC 9457)');

/** Lets the server collect its routes. Call this before the routes are added. */
export function collectRoutes(server: FastifyInstance, version: string): void {
  void server.register(swagger, {
    convertConstToEnum: false,
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Allocation', version, description: DESCRIPTION },
      components: {
        schemas: {
          Problem: toJsonSchema(problem),
          ...commandComponents(),
          ...eventComponents(),
        },
        responses: sharedResponses as never,
        securitySchemes: {
          bearer: {
            type: 'http',
            scheme: 'bearer',
            description:
              'Needed if the service has HTTP_TOKENS_FILE or HTTP_OIDC_ISSUER. Each route names ' +
              'its role. The role operate includes publish, and publish includes read.',
          },
        },
      },
    },
    transform: ({ url, route }) => ({ url, schema: schemaOf(route.config ?? {}) }),
    transformObject: (document) => {
      const { openapiObject } = document as unknown as { openapiObject: OpenApiDocument };
      addProblems(openapiObject);
      return openapiObject as never;
    },
  });
}

/** Returns the document. Call this when the server is ready. */
export function documentOf(server: FastifyInstance): OpenApiDocument {
  return server.swagger() as unknown as OpenApiDocument;
}

function schemaOf({
  operation,
  access = 'open',
}: {
  readonly operation?: Operation;
  readonly access?: Access;
}): FastifySchema {
  if (!operation) return { hide: true };
  const { id, tag, summary, description, params, query, headers, json, answers } = operation;
  const { body = json && { [JSON_TYPE]: json } } = operation;
  const problems = [...(operation.problems ?? []), ...(json ? JSON_PROBLEMS : [])];
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(access !== 'open' && { security: [{ bearer: [access] }] }),
    ...(params && { params: toJsonSchema(params) }),
    ...(query && { querystring: toJsonSchema(query) }),
    ...(headers && { headers: toJsonSchema(headers) }),
    ...(body && { body: { content: bodyOf(body) } }),
    response: Object.fromEntries(
      Object.entries(answers).map(([status, answer]) => [status, responseOf(answer)]),
    ),
    ...{ 'x-problems': problemResponses(access !== 'open', problems) },
  };
}

/** Describes a body. The plugin takes the examples from the schema. */
function bodyOf(content: Content): object {
  return Object.fromEntries(
    Object.entries(content).map(([type, { schema, examples }]) => [
      type,
      { schema: { ...toJsonSchema(schema), 'x-examples': named(examples) } },
    ]),
  );
}

function responseOf({ description, headers = {}, content }: RouteAnswer): object {
  const fields = Object.entries(headers).map(([name, { description, type, example }]) => [
    name,
    { description, type, examples: [example] },
  ]);
  const media = Object.entries(content ?? {}).map(([type, { schema, examples }]) => [
    type,
    { schema: toJsonSchema(schema), examples: named(examples) },
  ]);
  return {
    description,
    ...(fields.length > 0 && { headers: Object.fromEntries(fields) }),
    // The plugin reads `null` as: there is no body.
    ...(media.length > 0 ? { content: Object.fromEntries(media) } : { type: 'null' }),
  };
}

function named(examples: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]));
}

/** Adds the references to problems at the end, because the plugin cannot refer to a response. */
function addProblems({ paths }: OpenApiDocument): void {
  for (const operation of Object.values(paths).flatMap((path) => Object.values(path))) {
    const carrier = operation as DescribedOperation & {
      'x-problems'?: DescribedOperation['responses'];
    };
    operation.responses = { ...operation.responses, ...carrier['x-problems'] };
    delete carrier['x-problems'];
  }
}
