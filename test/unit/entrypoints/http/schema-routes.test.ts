import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { messageSchemas, publishedSchema } from '../../../../src/contract/json-schemas.ts';
import { dataschemas } from '../../../../src/messages/event-versions.ts';
import { startApi } from '../../../support/doors.ts';
import type { HttpApiAlone } from '../../../support/http-api-alone.ts';

describe('GET /allocation/schemas', () => {
  let running: HttpApiAlone;

  beforeAll(async () => {
    running = await startApi({});
  });
  afterAll(async () => running[Symbol.asyncDispose]());

  const get = (path: string) => fetch(`${running.url}${path}`);

  it('lists every message in every version', async () => {
    const answer = await get('/allocation/schemas');
    const { schemas } = (await answer.json()) as { readonly schemas: readonly object[] };
    expect(schemas).toHaveLength(messageSchemas().length);
    expect(schemas).toContainEqual({
      kind: 'event',
      type: 'Allocated',
      version: 1,
      uri: '/allocation/schemas/Allocated/1',
    });
  });

  it.each(Object.values(dataschemas))('serves the schema that events name: %s', async (uri) => {
    const answer = await get(uri);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'application/schema+json',
    ]);
    const message = messageSchemas().find((each) => uri.endsWith(`/${each.type}/${each.version}`));
    expect(await answer.json()).toEqual(message && publishedSchema(message));
  });

  it.each(['Allocated/2', 'Allocated/01', 'Shipped/1', '__proto__/1'])(
    'answers 404 for %s, and lists the schemas that exist',
    async (name) => {
      const answer = await get(`/allocation/schemas/${name}`);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(await answer.json()).toMatchObject({
        status: 404,
        detail: expect.stringContaining(`There is no schema ${name}`),
        schemas: expect.arrayContaining(['/allocation/schemas/CreateBatch/1']),
      });
    },
  );
});
