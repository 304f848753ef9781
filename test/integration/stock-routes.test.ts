import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { HttpApiAlone } from '../support/http-api-alone.ts';

const MAX_READS = 64;
const PAGE = 1_000;

const link = (answer: Response) => answer.headers.get('link');

it('a question is refused while too many wait for the database, and answered later', async () => {
  const { promise: database, resolve: letGo } = Promise.withResolvers<never[]>();
  let waiting = 0;
  const query = () => {
    waiting += 1;
    return database;
  };
  await using alone = await HttpApiAlone.start({}, { query });
  const ask = () => fetch(`${alone.url}/products/LAMP`);
  const asked = Array.from({ length: MAX_READS }, ask);
  await eventually(() => expect(waiting).toBe(MAX_READS), { withinMs: 60_000 });

  const refused = await ask();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '2']);
  expect((await fetch(`${alone.url}/healthz`)).status).toBe(200);

  letGo([]);
  for (const answer of asked) expect((await answer).status).toBe(404);
  await eventually(async () => expect((await ask()).status).toBe(404));
});

it('the allocations of an order come in pages that name the next one', async () => {
  const lines = Array.from({ length: PAGE + 2 }, (_, n) => {
    return { sku: `sku ${String(n).padStart(4, '0')}`, qty: 1, batchref: 'b' };
  });
  const query = async <Row>(_: string, [, after]: readonly unknown[] = []) =>
    lines.filter(({ sku }) => sku > String(after)).slice(0, PAGE + 1) as Row[];
  await using alone = await HttpApiAlone.start({}, { query });

  const first = await fetch(`${alone.url}/allocations/a%2Fb`);
  expect([await first.json(), link(first)]).toEqual([
    lines.slice(0, PAGE),
    '</allocations/a%2Fb?after=sku%200999>; rel="next"',
  ]);
  const last = await fetch(`${alone.url}/allocations/a%2Fb?after=sku%200999`);
  expect([await last.json(), link(last)]).toEqual([lines.slice(PAGE), null]);
  const beyond = await fetch(`${alone.url}/allocations/a%2Fb?after=z`);
  expect([beyond.status, await beyond.json()]).toEqual([200, []]);
});

it.each(['after=', 'after=a&after=b', 'after=%00'])('?%s names no page', async (search) => {
  await using alone = await HttpApiAlone.start({});
  expect((await fetch(`${alone.url}/orders/o?${search}`)).status).toBe(400);
});
