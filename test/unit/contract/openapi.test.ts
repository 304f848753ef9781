import { Validator } from '@seriousme/openapi-schema-validator';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { openApi } from '../../../src/contract/openapi.ts';
import { LIST_ACTS } from '../../../src/entrypoints/http/openapi/audit-operations.ts';
import {
  GET_COMMAND,
  GET_COMMAND_AT,
  POST_COMMANDS,
} from '../../../src/entrypoints/http/openapi/command-operations.ts';
import type { OpenApiDocument } from '../../../src/entrypoints/http/openapi/described-api.ts';
import { CANCEL_JOB, GET_JOB } from '../../../src/entrypoints/http/openapi/job-operations.ts';
import {
  DISCARD_LETTERS,
  EDIT_LETTER,
  GET_LETTER,
  GROUP_LETTERS,
  LIST_LETTERS,
  REDRIVE_LETTERS,
} from '../../../src/entrypoints/http/openapi/letter-operations.ts';
import { LISTING_OPERATIONS } from '../../../src/entrypoints/http/openapi/listing-operations.ts';
import type { Operation } from '../../../src/entrypoints/http/openapi/operation.ts';
import {
  GET_RECOVERY_PLAN,
  START_VERIFY,
} from '../../../src/entrypoints/http/openapi/recovery-operations.ts';
import {
  GET_HISTORY,
  GET_STATUS,
  PAUSE_LANE,
  RESUME_LANE,
} from '../../../src/entrypoints/http/openapi/status-operations.ts';
import { STOCK_OPERATIONS } from '../../../src/entrypoints/http/openapi/stock-operations.ts';
import {
  GET_ORDER_WAY,
  GET_PRODUCT_HISTORY,
} from '../../../src/entrypoints/http/openapi/way-operations.ts';
import { OPEN_ROUTES, ROUTES } from '../../support/served-routes.ts';

const operations: readonly Operation[] = [
  POST_COMMANDS,
  GET_COMMAND,
  GET_COMMAND_AT,
  ...Object.values(STOCK_OPERATIONS),
  ...Object.values(LISTING_OPERATIONS),
  GET_STATUS,
  GET_HISTORY,
  PAUSE_LANE,
  RESUME_LANE,
  LIST_LETTERS,
  GROUP_LETTERS,
  GET_LETTER,
  REDRIVE_LETTERS,
  DISCARD_LETTERS,
  EDIT_LETTER,
  GET_JOB,
  CANCEL_JOB,
  LIST_ACTS,
  GET_ORDER_WAY,
  GET_PRODUCT_HISTORY,
  START_VERIFY,
  GET_RECOVERY_PLAN,
];

describe('The document of OpenAPI', () => {
  let document: OpenApiDocument;

  beforeAll(async () => {
    document = await openApi();
  });

  const described = () =>
    Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
      ),
    );
  /** Finds the description of a request such as `GET /products/s`. */
  const find = (method: string, path: string) =>
    described().find(([title]) =>
      new RegExp(`^${title.replace(/\{\w+\}/g, '[^/]+')}$`).test(`${method} ${path}`),
    )?.[1];

  it('is valid', async () => {
    const { valid, errors } = await new Validator().validate({ ...structuredClone(document) });
    expect([valid, errors]).toEqual([true, undefined]);
  });

  it.each(ROUTES.filter(([method]) => method !== 'HEAD'))(
    'has the route %s %s with its role',
    (method, path, role) => {
      expect(find(method, path)?.security).toEqual([{ bearer: [role] }]);
    },
  );

  // Only the page itself asks for its files.
  const open = OPEN_ROUTES.filter((path) => !path.startsWith('/page/'));
  it.each(open)('has the route GET %s, which needs no token', (path) => {
    expect(find('GET', path)).toBeDefined();
    expect(find('GET', path)?.security).toBeUndefined();
  });

  it('has a summary, an own name, and answers for each route', () => {
    const names = described().map(([, { operationId }]) => operationId);
    expect(new Set(names).size).toBe(names.length);
    for (const [title, { summary, responses }] of described()) {
      expect(summary, title).toMatch(/^[A-Z].*[^.]$/);
      const statuses = Object.keys(responses);
      expect(statuses, title).toEqual(
        expect.arrayContaining(['400', '403', '408', '421', '429', '431', '500']),
      );
      expect(statuses, title).toContain(title === 'POST /recovery/verify' ? '202' : '200');
    }
  });

  it('gives each body an example', () => {
    for (const [title, { requestBody, responses }] of described()) {
      const bodies = [requestBody, ...Object.values(responses)].flatMap((body) =>
        body && 'content' in body ? Object.values(body.content ?? {}) : [],
      );
      for (const { examples = {} } of bodies)
        expect(Object.keys(examples).length, title).toBeGreaterThan(0);
    }
  });

  it('has parts for all its references', () => {
    const text = JSON.stringify(document);
    for (const [, path = ''] of text.matchAll(/"\$ref":"#\/([^"]+)"/g)) {
      const part = path
        .split('/')
        .reduce<unknown>((whole, name) => (whole as Record<string, unknown>)?.[name], document);
      expect(part, path).toBeDefined();
    }
  });

  it.each(operations)('has examples of $id as its schemas say', ({ answers }) => {
    for (const { content = {} } of Object.values(answers))
      for (const { schema, examples } of Object.values(content))
        for (const example of Object.values(examples))
          if (schema instanceof z.ZodType) expect(schema.parse(example)).toEqual(example);
  });
});
