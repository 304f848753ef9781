import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ServiceStatus } from '../../../../src/status/service-status.ts';
import { bearer, startApi, TokenFile } from '../../../support/doors.ts';
import { HttpApiAlone } from '../../../support/http-api-alone.ts';

const PAUSE = { by: 'anonymous', at: '2027-01-15T09:30:00.000Z', reason: 'wrong prices' };

describe('The routes of lanes', () => {
  let alone: HttpApiAlone;
  let acts: unknown[];

  beforeAll(async () => {
    alone = await HttpApiAlone.start(
      {},
      {
        status: async () => ({ isReady: true }) as ServiceStatus,
        lanes: {
          pause: async (...act) => {
            acts.push(act);
            return act[0] === 3 ? PAUSE : null;
          },
          resume: async (...act) => {
            acts.push(act);
            return act[0] === 3;
          },
        },
      },
    );
  });
  afterAll(async () => alone[Symbol.asyncDispose]());
  beforeEach(() => {
    acts = [];
  });

  const post = (path: string, body: string | null, type = 'application/json') =>
    fetch(`${alone.url}${path}`, {
      method: 'POST',
      body,
      headers: body === null ? {} : { 'content-type': type },
    });

  it('pause a lane in the name of the caller', async () => {
    const answer = await post('/lanes/3/pause', '{"reason":"wrong prices"}');
    expect([answer.status, await answer.json()]).toEqual([200, { partition: 3, paused: PAUSE }]);
    expect(acts).toEqual([[3, 'wrong prices', 'anonymous']]);
  });

  it('resume a lane without a body', async () => {
    const answer = await post('/lanes/3/resume', null);
    expect([answer.status, await answer.json()]).toEqual([200, { partition: 3, paused: null }]);
    expect(acts).toEqual([[3, 'anonymous']]);
  });

  it.each(['4', '-1', 'x', '1e1', '99999999999'])('know no lane %s', async (partition) => {
    for (const act of ['pause', 'resume']) {
      const answer = await post(`/lanes/${partition}/${act}`, '{"reason":"r"}');
      expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
        404,
        `The service has never opened a lane ${partition}`,
      ]);
    }
  });

  it.each([
    ['{}', ['reason']],
    ['{"reason":""}', ['reason']],
    ['{"reason":"a\\nb"}', ['reason']],
    ['{"reason":1,"resaon":2,"other":3}', ['reason', 'resaon', 'other']],
    ['[]', ['body']],
    ['null', ['body']],
  ])('refuse the body %s and name each wrong field', async (body, fields) => {
    const answer = await post('/lanes/3/pause', body);
    const { errors } = (await answer.json()) as { errors: { field: string; message: string }[] };
    expect([answer.status, errors.map(({ field }) => field)]).toEqual([400, fields]);
    expect(acts).toEqual([]);
  });

  it.each([
    ['{', 'application/json', 400, 'not JSON'],
    ['', 'application/json', 400, 'empty'],
    ['{"reason":"r"}', 'application/x-ndjson', 415, 'application/json'],
    ['{"reason":"r"}', 'text/plain', 415, 'application/json'],
    [`{"reason":"${'r'.repeat(70_000)}"}`, 'application/json', 413, '65536 bytes'],
  ])('refuse a body that is no small JSON: %.20s as %s', async (body, type, status, words) => {
    const answer = await post('/lanes/3/pause', body, type);
    const { detail } = (await answer.json()) as { detail: string };
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      status,
      'application/problem+json',
    ]);
    expect(detail).toContain(words);
  });

  it('do not name a caller where nobody needs a token', async () => {
    expect(await (await fetch(`${alone.url}/status`)).json()).toEqual({
      isReady: true,
      caller: null,
    });
  });

  it('name the caller and the role of a token', async () => {
    await using file = await TokenFile.with('read');
    await using guarded = await startApi({ HTTP_TOKENS_FILE: file.path });
    const answer = await fetch(`${guarded.url}/status`, { headers: bearer(file.tokenOf('read')) });
    expect(await answer.json()).toEqual({
      caller: { name: 'the reader', role: 'read' },
    });
  });
});
