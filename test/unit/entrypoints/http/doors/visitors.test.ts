import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ask, startApi } from '../../../../support/doors.ts';
import { exchange, type HttpApiAlone } from '../../../../support/http-api-alone.ts';
import { ACTS, OPEN_ROUTES, ROUTES } from '../../../../support/served-routes.ts';

const COMMAND = '{"type":"DeallocateOrder","orderid":"o"}';
const JSON_TYPE = { 'content-type': 'application/json' };

describe('The HTTP API in front of browsers', () => {
  let running: HttpApiAlone;

  beforeAll(async () => {
    running = await startApi({ HTTP_PUBLIC_URL: 'https://stock.test, http://allocation:8080' });
  });
  afterAll(async () => running[Symbol.asyncDispose]());

  /** Sends a request with headers that `fetch` does not allow. @returns its status */
  async function statusOf(
    headers: Record<string, string>,
    [method = '', path = '', body = '']: readonly string[] = ['GET', '/healthz', ''],
  ): Promise<number> {
    const all = { host: 'localhost', connection: 'close', ...headers };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = body === '' ? '' : `content-length: ${body.length}\r\n`;
    const text = `${method} ${path} HTTP/1.1\r\n${lines.join('')}${length}\r\n${body}`;
    return Number((await exchange(running.url, text)).split(' ')[1]);
  }

  it.each([
    'localhost',
    'LOCALHOST:8080',
    'shop.localhost:8080',
    'localhost.',
    '127.0.0.1',
    '[::1]:8080',
    '10.1.2.3:8080',
    '[fd00::7]:8080',
    'stock.test',
    'stock.test:443',
    'allocation:9000',
  ])('answers for the host %s', async (host) => {
    expect(await statusOf({ host })).toBe(200);
  });

  it.each([
    'rebound.test',
    'rebound.test:8080',
    'localhost.rebound.test',
    '127.0.0.1.rebound.test',
    'stock.test.rebound.test',
    'localhost@rebound.test',
    'rebound.test@localhost',
    'rebound.test/localhost',
    'xstock.test',
    '',
  ])('answers 421 for the host "%s", which may be rebound', async (host) => {
    for (const request of [
      ['GET', '/healthz', ''],
      ['GET', '/events', ''],
      ['GET', '/nowhere', ''],
      ['POST', '/commands', COMMAND],
    ])
      expect(await statusOf({ ...JSON_TYPE, host }, request)).toBe(421);
  });

  it('answers HTTP/1.0 without a host, as some load balancers send it', async () => {
    expect(await exchange(running.url, 'GET /healthz HTTP/1.0\r\n\r\n')).toContain(' 200 OK');
  });

  it('answers 421 on every route for a host that may be rebound', async () => {
    const open = OPEN_ROUTES.map((path) => ['GET', path] as const);
    for (const [method, path] of [...ROUTES, ...open]) {
      const rebound = { host: 'rebound.test', origin: 'http://rebound.test' };
      expect([method, path, await statusOf(rebound, [method, path])]).toEqual([method, path, 421]);
    }
  });

  const post = (headers: Record<string, string>) =>
    statusOf(headers, ['POST', '/commands', COMMAND]);

  it.each([
    'application/json',
    'application/cloudevents+json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/octet-stream',
    '',
  ])('refuses a post of the type "%s" from a page of another site', async (type) => {
    const named: Record<string, string> = type === '' ? {} : { 'content-type': type };
    expect(await post({ ...named, origin: 'https://evil.test' })).toBe(403);
    expect(await post({ ...named, origin: 'null' })).toBe(403);
    expect(await post({ ...named, origin: 'http://localhost:3000' })).toBe(403);
    expect(await post({ ...named, 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await post({ ...named, 'sec-fetch-site': 'same-site' })).toBe(403);
    for (const path of ACTS) {
      const act = (headers: Record<string, string>) =>
        statusOf({ ...named, ...headers }, ['POST', path, COMMAND]);
      expect([path, await act({ origin: 'https://evil.test' })]).toEqual([path, 403]);
      expect([path, await act({ 'sec-fetch-site': 'cross-site' })]).toEqual([path, 403]);
    }
  });

  it.each([
    ['/dead-letters/redrive', '{"all":true}'],
    ['/dead-letters/discard', '{"all":true}'],
    ['/dead-letters/l/edit', '{"data":{}}'],
    ['/jobs/j/cancel', ''],
    ['/lanes/0/pause', '{"reason":"r"}'],
  ])('refuses %s from another site, or under a name that may be rebound', async (path, body) => {
    const act = (headers: Record<string, string>) =>
      statusOf({ ...(body && JSON_TYPE), ...headers }, ['POST', path, body]);
    expect(await act({ origin: 'https://evil.test' })).toBe(403);
    expect(await act({ 'sec-fetch-site': 'cross-site' })).toBe(403);
    expect(await act({ host: 'rebound.test', origin: 'http://rebound.test' })).toBe(421);
    expect([200, 202, 404]).toContain(await act({ origin: 'http://localhost' }));
  });

  it.each([
    ['text/plain'],
    ['application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x'],
  ])('refuses a form of the type %s, whatever old browser sends it', async (type) => {
    expect(await post({ 'content-type': type })).toBe(415);
    for (const path of ACTS) {
      const form = { 'content-type': type };
      expect([path, await statusOf(form, ['POST', path, 'a=b'])]).toEqual([path, 415]);
      const empty = { ...form, 'content-length': '0' };
      expect([path, await statusOf(empty, ['POST', path])]).toEqual([path, 415]);
    }
  });

  it.each([
    ['no browser', {}],
    ['its own page', { origin: 'http://localhost' }],
    ['its own page on another port', { host: 'localhost:8080', origin: 'http://localhost:8080' }],
    ['a page behind a proxy with TLS', { host: 'stock.test', origin: 'https://stock.test' }],
    ['a public page, when the proxy has its own host', { origin: 'https://stock.test' }],
    ['what somebody typed', { 'sec-fetch-site': 'none' }],
  ])('takes a post of %s', async (_, headers) => {
    expect(await post({ ...JSON_TYPE, ...headers })).toBe(202);
  });

  it('lets a page of another site link here, and no more', async () => {
    const site = { 'sec-fetch-site': 'cross-site' };
    expect(await statusOf({ ...site, 'sec-fetch-dest': 'document' })).toBe(200);
    expect(await statusOf({ ...site, 'sec-fetch-dest': 'iframe' })).toBe(403);
    expect(await statusOf({ ...site, 'sec-fetch-dest': 'image' })).toBe(403);
    expect(await statusOf({ origin: 'https://evil.test' })).toBe(403);
  });

  it('answers no preflight, and allows no other origin to read', async () => {
    const preflight = await ask(`${running.url}/commands`, 'OPTIONS', {
      origin: 'https://evil.test',
      'access-control-request-method': 'POST',
    });
    expect(preflight.status).toBe(403);
    for (const { headers } of [preflight, await fetch(`${running.url}/healthz`)])
      expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  it.each([
    ['/healthz', 'application/json; charset=utf-8'],
    ['/events', 'text/event-stream; charset=utf-8'],
    ['/nowhere', 'application/problem+json'],
    ['/metrics', 'text/plain; version=0.0.4; charset=utf-8'],
  ])('says the type of %s, and how its text is encoded', async (path, type) => {
    const { headers } = await ask(`${running.url}${path}`, 'GET');
    expect(headers.get('content-type')).toBe(type);
  });

  it.each([
    ['without a host', '', 400],
    ['with an unknown expectation', 'host: localhost\r\nexpect: x\r\n', 200],
  ])('sends them with the answer to a request %s too', async (_, lines, status) => {
    const request = `GET /healthz HTTP/1.1\r\n${lines}connection: close\r\n\r\n`;
    const answer = await exchange(running.url, request);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toMatch(/^x-content-type-options: nosniff\r$/im);
    expect(answer).toMatch(/^strict-transport-security: /im);
  });

  it.each([
    ['an answer', 'GET', '/healthz'],
    ['a stream', 'GET', '/events'],
    ['a problem', 'GET', '/nowhere'],
    ['a wrong method', 'DELETE', '/commands'],
    ['an address that is malformed', 'GET', '/products/%zz'],
  ])('sends the security headers with %s', async (_, method, path) => {
    const { headers } = await ask(`${running.url}${path}`, method);
    expect(Object.fromEntries(headers)).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'strict-transport-security': 'max-age=31536000; includeSubDomains',
      'x-content-type-options': 'nosniff',
    });
  });
});
