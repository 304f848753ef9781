import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { HttpApiAlone } from '../support/http-api-alone.ts';

const PADDING = ' '.repeat(1_000_000);
const LARGE = `{"type":"CreateBatch","reference":"r","sku":"S","quantity":1${PADDING}}`;
/** So many commands use up the budget for commands that wait for the log. */
const TOO_MANY = 17;

it('a command is refused while too many wait for the log, and accepted afterwards', async () => {
  const { promise: logAnswers, resolve: letGo } = Promise.withResolvers<void>();
  let waiting = 0;
  const publish = async () => {
    waiting += 1;
    await logAnswers;
    return [{ partition: 0, offset: 0 }];
  };
  await using alone = await HttpApiAlone.start({ publish });
  const headers = { 'content-type': 'application/json' };
  const post = () => fetch(`${alone.url}/commands`, { method: 'POST', body: LARGE, headers });
  const sent = Array.from({ length: TOO_MANY }, post);
  await eventually(() => expect(waiting).toBe(TOO_MANY));

  const refused = await post();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);

  letGo();
  for (const answer of sent) expect((await answer).status).toBe(202);
  await eventually(async () => expect((await post()).status).toBe(202));
});
