import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ask, startApi, TokenFile } from '../../../../support/doors.ts';
import { eventually } from '../../../../support/eventually.ts';
import { connectTo, exchange, type HttpApiAlone } from '../../../../support/http-api-alone.ts';

/** The bounds that docs/contract.md promises. */
const CONNECTIONS_OF_CLIENT = 500;
const STREAMS = 64;

/** Sends requests together on one connection. @returns their answers, without the bodies */
async function flood(
  { url }: HttpApiAlone,
  path: string,
  count: number,
  headersOf: (place: number) => string = () => '',
): Promise<string[]> {
  const requests = Array.from({ length: count }, (_, place) => {
    const connection = place === count - 1 ? 'connection: close\r\n' : '';
    return `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${headersOf(place)}${connection}\r\n`;
  });
  const text = requests.join('');
  const answers = (await exchange(url, text)).split('HTTP/1.1 ').slice(1);
  expect(answers).toHaveLength(count);
  return answers;
}

const statusesOf = (answers: readonly string[]) => answers.map((answer) => answer.slice(0, 3));

describe('The rate limit of the HTTP API', () => {
  it('refuses what one client sends beyond HTTP_RATE_LIMIT, and says when to retry', async () => {
    await using running = await startApi({ HTTP_RATE_LIMIT: '5' });
    expect(statusesOf(await flood(running, '/products/s', 5))).toEqual(Array(5).fill('404'));
    const answers = await flood(running, '/products/s', 30);
    const refused = answers.find((answer) => answer.startsWith('429'));
    expect(refused).toMatch(/^retry-after: 1\r$/m);
    expect(refused).toMatch(/^content-type: application\/problem\+json\r$/m);
    const askAgain = async () => (await ask(`${running.url}/products/s`, 'GET')).status;
    await eventually(async () => expect(await askAgain()).toBe(404));
  });

  it('takes a client for the same one, whatever addresses its headers name', async () => {
    await using running = await startApi({ HTTP_RATE_LIMIT: '5' });
    const elsewhere = (place: number) =>
      ['x-forwarded-for: ', 'x-real-ip: ', 'forwarded: for=']
        .map((name) => `${name}192.0.2.${place}\r\n`)
        .join('');
    const answers = await flood(running, '/products/s', 30, elsewhere);
    expect(statusesOf(answers)).toContain('429');
  });

  it('leaves probes alone when the API is flooded', async () => {
    await using running = await startApi({ HTTP_RATE_LIMIT: '1' });
    expect(statusesOf(await flood(running, '/products/s', 20))).toContain('429');
    expect((await ask(`${running.url}/healthz`, 'GET')).status).toBe(200);
    expect((await ask(`${running.url}/readyz`, 'GET')).status).toBe(200);
  });

  it.each(['/readyz', '/nowhere'])('bounds %s too, which needs no token', async (path) => {
    await using running = await startApi({ HTTP_RATE_LIMIT: '1000000' });
    await eventually(async () =>
      expect(statusesOf(await flood(running, path, 500))).toContain('429'),
    );
    expect((await ask(`${running.url}/healthz`, 'GET')).status).toBe(200);
  });

  it('counts before it looks at a token', async () => {
    await using file = await TokenFile.with('read');
    await using running = await startApi({ HTTP_RATE_LIMIT: '5', HTTP_TOKENS_FILE: file.path });
    expect(statusesOf(await flood(running, '/products/s', 1))).toEqual(['401']);
    expect(statusesOf(await flood(running, '/products/s', 30))).toContain('429');
  });
});

describe('The HTTP API with slow clients', () => {
  let running: HttpApiAlone;
  let sockets: Socket[];

  beforeEach(async () => {
    running = await startApi({});
    sockets = [];
  });
  afterEach(async () => {
    for (const socket of sockets) socket.destroy();
    await running[Symbol.asyncDispose]();
  });

  const open = (localAddress: string) => {
    const { port } = new URL(running.url);
    const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress });
    socket.on('error', () => {});
    sockets.push(socket);
    return socket;
  };

  it('closes the 501st connection of one client, and takes those of others', async () => {
    const slow = Array.from({ length: CONNECTIONS_OF_CLIENT + 44 }, () => open('127.0.0.1'));
    for (const socket of slow) socket.write('G');
    await eventually(() => expect(slow.filter(({ closed }) => closed)).toHaveLength(44));
    const other = open('127.0.0.2');
    other.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    expect(String((await once(other, 'data'))[0])).toContain(' 200 OK');
    slow.find(({ closed }) => !closed)?.destroy();
    const answer = () => exchange(running.url, 'GET /healthz HTTP/1.0\r\n\r\n');
    await eventually(async () => expect(await answer()).toContain(' 200 OK'));
  });

  it('gives up who sends a byte a second, long before 30 s, and answers others', async () => {
    const slow = Array.from({ length: 200 }, () =>
      connectTo(running.url, 'GET /healthz HTTP/1.1\r\n'),
    );
    sockets.push(...slow);
    const drip = setInterval(() => {
      for (const socket of slow) if (socket.writable) socket.write('x');
    }, 1_000);
    try {
      const late = once(slow[0] as Socket, 'data');
      const startedAt = Date.now();
      await eventually(() => expect(slow.every(({ closed }) => closed)).toBe(true), {
        withinMs: 60_000,
      });
      const tookMs = Date.now() - startedAt;
      expect(tookMs).toBeGreaterThan(5_000);
      expect(tookMs).toBeLessThan(25_000);
      expect(String((await late)[0])).toMatch(/^HTTP\/1.1 408 /);
      expect((await ask(`${running.url}/healthz`, 'GET')).status).toBe(200);
    } finally {
      clearInterval(drip);
    }
  });

  it('serves 64 streams that never read, refuses more, and answers all else', async () => {
    const request = 'GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n';
    const streams = Array.from({ length: 200 }, () => connectTo(running.url, request));
    sockets.push(...streams);
    const heads = await Promise.all(
      streams.map(async (socket) => {
        const [head] = await once(socket, 'data');
        socket.pause();
        return String(head).split(' ')[1];
      }),
    );
    expect(heads.filter((status) => status === '200')).toHaveLength(STREAMS);
    expect(heads.filter((status) => status === '503')).toHaveLength(200 - STREAMS);
    expect((await ask(`${running.url}/products/s`, 'GET')).status).toBe(404);
  });
});
