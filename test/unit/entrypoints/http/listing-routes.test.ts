import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HttpApiAlone } from '../../../support/http-api-alone.ts';

const link = (answer: Response) => answer.headers.get('link');

describe('The routes that list names', () => {
  let alone: HttpApiAlone;
  /** The names that the database has. */
  let skus: readonly string[] = [];
  let asked = 0;

  beforeAll(async () => {
    const query = async <Row>(statement: string, parameters: readonly unknown[] = []) => {
      asked += 1;
      const limit = Number(parameters.at(-1));
      const backwards = statement.includes(' desc ') ? skus.toReversed() : skus;
      return backwards.slice(0, limit).map((sku) => ({ sku, version: 1 })) as Row[];
    };
    alone = await HttpApiAlone.start({}, { query });
  });
  afterAll(async () => alone[Symbol.asyncDispose]());

  const get = (path: string, headers: Record<string, string> = {}) =>
    fetch(`${alone.url}${path}`, { headers });

  it('answer with a page of 100, and whether there are more', async () => {
    skus = Array.from({ length: 101 }, (_, n) => String(1_000 + n));
    const answer = await get('/products');
    const { products, hasMoreProducts } = (await answer.json()) as Record<string, unknown[]>;
    expect([products?.length, products?.[0], hasMoreProducts]).toEqual([
      100,
      { sku: '1000', version: 1 },
      true,
    ]);
    expect(link(answer)).toBe('</products?after=1099>; rel="next"');
  });

  it('name the next page with all that the client has chosen', async () => {
    skus = ['a b', 'a c', 'a&d'];
    const answer = await get('/products?limit=2&search=a%20&sort=sku&after=a%20a');
    expect(link(answer)).toBe('</products?limit=2&search=a%20&sort=sku&after=a%20c>; rel="next"');
    expect(link(await get('/products?limit=3'))).toBeNull();
  });

  it('answer backwards', async () => {
    skus = ['a', 'b'];
    expect(await (await get('/products?sort=-sku')).json()).toEqual({
      products: ['b', 'a'].map((sku) => ({ sku, version: 1 })),
      hasMoreProducts: false,
    });
  });

  it.each([
    ['/products?limit=0', 'limit', 'from 1 to 1000'],
    ['/products?limit=1001', 'limit', 'from 1 to 1000'],
    ['/products?limit=ten', 'limit', 'from 1 to 1000'],
    ['/products?limit=1.5', 'limit', 'from 1 to 1000'],
    ['/products?limit=1&limit=2', 'limit', 'from 1 to 1000'],
    ['/products?sort=version', 'sort', 'one of: sku, -sku'],
    ['/batches?sort=sku', 'sort', 'one of: reference, -reference, created, -created'],
    ['/batches?sort=created&search=a', 'sort', 'must be reference or -reference'],
    ['/orders?search=', 'search', '1 to 255 characters'],
    ['/orders?search=a&search=b', 'search', 'once'],
    ['/orders?after=%00', 'after', '1 to 255 characters'],
    ['/orders?search=b&after=a', 'after', 'same search'],
    ['/orders?serach=b', 'serach', 'did you mean search?'],
    ['/orders?page=2', 'page', 'use one of: search, sort, limit, after'],
    ['/orders/o?aftre=2', 'aftre', 'did you mean after?'],
    ['/batches/b?after=o', 'after', 'must be a number'],
    ['/events?skus=a', 'skus', 'did you mean sku?'],
    ['/events?sku=', 'sku', '1 to 255 characters'],
    ['/commands/a/0/1?source=s', 'source', 'use one of: wait'],
    ['/products/a/history?wait=5s', 'wait', 'use one of'],
  ])('refuse %s and name the parameter', async (path, parameter, words) => {
    asked = 0;
    const answer = await get(path);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      400,
      'application/problem+json',
    ]);
    expect(await answer.json()).toMatchObject({
      parameter,
      detail: expect.stringMatching(`${parameter}.*${words.replace('?', '\\?')}`),
    });
    expect(asked).toBe(0);
  });

  it.each(['/healthz?verbose', '/metrics?format=text', '/docs?utm=1'])(
    'leave open routes alone: %s',
    async (path) => {
      expect((await get(path)).status).toBe(200);
    },
  );

  it('answer 304 to a client that has the page already, and the page after a change', async () => {
    skus = ['a', 'b'];
    const tag = (await get('/products?limit=1')).headers.get('etag') ?? '';
    expect(tag).toMatch(/^"[\w-]{43}"$/);
    for (const known of [tag, `"other", W/${tag}`, '*']) {
      const same = await get('/products?limit=1', { 'if-none-match': known });
      expect([same.status, same.headers.get('etag'), await same.text()]).toEqual([304, tag, '']);
    }
    expect((await get('/products?limit=1', { 'if-none-match': '"other"' })).status).toBe(200);

    skus = ['a2', 'b'];
    const changed = await get('/products?limit=1', { 'if-none-match': tag });
    expect([changed.status, await changed.json()]).toMatchObject([
      200,
      { products: [{ sku: 'a2' }] },
    ]);
  });

  it('answer HEAD with the headers of GET, and without a body', async () => {
    skus = ['a', 'b'];
    const wanted = await get('/products?limit=1');
    const head = await fetch(`${alone.url}/products?limit=1`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
    for (const name of ['etag', 'link', 'content-type', 'content-length'])
      expect(head.headers.get(name), name).toBe(wanted.headers.get(name));
  });
});
