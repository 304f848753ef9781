import { get, type IncomingMessage } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { includes, ROLES, type Role } from '../../../../../src/entrypoints/http/doors/access.ts';
import { newToken } from '../../../../../src/entrypoints/http/doors/token-list.ts';
import { ask, bearer, startApi, TokenFile } from '../../../../support/doors.ts';
import { eventually } from '../../../../support/eventually.ts';
import type { HttpApiAlone } from '../../../../support/http-api-alone.ts';
import { OPEN_ROUTES, ROUTES } from '../../../../support/served-routes.ts';

/** What a route answers to a caller whom it lets in: there is no stock. */
const LET_IN = [200, 202, 404];
const partOf = (path: string) => path.split('/')[1] ?? '';
const cases = ROUTES.flatMap(([method, path, needed]) =>
  ROLES.map((role) => [method, path, role, needed] as const),
);

describe('The HTTP API with a file of tokens', () => {
  let file: TokenFile;
  let running: HttpApiAlone;

  beforeAll(async () => {
    file = await TokenFile.with(...ROLES);
    running = await startApi({ HTTP_TOKENS_FILE: file.path });
  });
  afterAll(async () => {
    await running[Symbol.asyncDispose]();
    await file[Symbol.asyncDispose]();
  });

  const askFor = (path: string, method = 'GET', headers: Record<string, string> = {}) =>
    ask(`${running.url}${path}`, method, headers);

  it.each(cases)(
    '%s %s lets the role %s in if it includes %s',
    async (method, path, role, needed) => {
      const answer = await askFor(path, method, bearer(file.tokenOf(role)));
      if (includes(role, needed)) return expect(LET_IN).toContain(answer.status);
      expect(answer.status).toBe(403);
      expect(answer.headers.get('www-authenticate')).toBe(
        `Bearer realm="allocation", error="insufficient_scope", scope="${needed}"`,
      );
      if (method === 'HEAD') return;
      expect(await answer.json()).toMatchObject({
        role: needed,
        detail: expect.stringContaining(`the role ${needed}. the ${role}er has ${role}`),
      });
    },
  );

  it.each(ROUTES)('%s %s asks for a token', async (method, path) => {
    const answer = await askFor(path, method);
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="allocation"',
    ]);
    expect(answer.headers.get('content-type')).toBe('application/problem+json');
  });

  it.each(ROUTES)('%s %s refuses a wrong token', async (method, path) => {
    const wrong = newToken('stranger', 'operate').token;
    const answer = await askFor(path, method, bearer(wrong));
    expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
      401,
      'Bearer realm="allocation", error="invalid_token"',
    ]);
    expect(await answer.text()).not.toContain(wrong);
  });

  it.each(OPEN_ROUTES)('%s stays open', async (path) => {
    // There is no message of the type `type`.
    const expected = path === '/allocation/schemas/type/version' ? 404 : 200;
    expect((await askFor(path)).status).toBe(expected);
  });

  it('protects what each part of the API serves', () => {
    const parts = new Set([...ROUTES.map(([, path]) => path), ...OPEN_ROUTES].map(partOf));
    expect([...parts].toSorted()).toEqual([
      '',
      'allocation',
      'allocations',
      'audit',
      'batches',
      'commands',
      'dead-letters',
      'docs',
      'events',
      'healthz',
      'jobs',
      'lanes',
      'metrics',
      'openapi.json',
      'orders',
      'page',
      'products',
      'readyz',
      'recovery',
      'status',
    ]);
  });

  it.each([
    ['another scheme', 'Basic dXNlcjpwYXNzd29yZA=='],
    ['no token', 'Bearer '],
    ['two tokens', 'Bearer a, Bearer b'],
    ['a hash of the file', null],
  ])('refuses %s', async (_, header) => {
    const [, hash = ''] =
      /"sha256":"(\w+)"/.exec(JSON.stringify(newToken('x', 'read').listed)) ?? [];
    const answer = await askFor('/products/s', 'GET', {
      authorization: header ?? `Bearer ${hash}`,
    });
    expect(answer.status).toBe(401);
  });

  it('takes a token in no other place than the header', async () => {
    const token = file.tokenOf('operate');
    expect((await askFor(`/products/s?access_token=${token}`)).status).toBe(401);
    expect((await askFor('/products/s', 'GET', { cookie: `token=${token}` })).status).toBe(401);
  });

  it('says in its log who was refused, without a token', async () => {
    const wrong = newToken('stranger', 'read').token;
    await askFor('/products/s', 'GET', bearer(wrong));
    const refusal = { status: 401, method: 'GET', route: '/products/:sku' };
    await eventually(async () => {
      await askFor('/products/s', 'GET', bearer(wrong));
      expect(running.log).toContainEqual(expect.objectContaining(refusal));
    });
    const text = JSON.stringify(running.log);
    for (const token of [wrong, ...ROLES.map((role) => file.tokenOf(role))])
      expect(text).not.toContain(token);
  });

  it('names in its log the caller whose role was not enough', async () => {
    const refusal = { status: 403, route: '/commands', caller: 'the reader' };
    await eventually(async () => {
      await askFor('/commands', 'POST', bearer(file.tokenOf('read')));
      expect(running.log).toContainEqual(expect.objectContaining(refusal));
    });
  });
});

describe('A file of tokens that changes', () => {
  const statusOf = async (running: HttpApiAlone, token: string) =>
    (await ask(`${running.url}/products/s`, 'GET', bearer(token))).status;

  it('lets new tokens in and old ones no more, without a restart', async () => {
    await using file = await TokenFile.with('read');
    await using running = await startApi({ HTTP_TOKENS_FILE: file.path });
    expect(await statusOf(running, file.tokenOf('read'))).toBe(404);
    await file.renew('operate');
    await eventually(async () => {
      expect(await statusOf(running, file.tokenOf('operate'))).toBe(404);
      expect(await statusOf(running, file.tokenOf('read'))).toBe(401);
    });
  });

  it('ends the stream of a token that it no longer has', async () => {
    await using file = await TokenFile.with('read');
    await using running = await startApi({ HTTP_TOKENS_FILE: file.path });
    const stream = await new Promise<IncomingMessage>((resolve, reject) => {
      const headers = bearer(file.tokenOf('read'));
      get(`${running.url}/events`, { headers }, resolve).on('error', reject);
    });
    stream.on('error', () => {}).resume();
    await file.renew('operate');
    await eventually(() => expect(stream.closed).toBe(true), { withinMs: 30_000 });
  });

  it('keeps the former tokens while it cannot be read, and says so', async () => {
    await using file = await TokenFile.with('read');
    await using running = await startApi({ HTTP_TOKENS_FILE: file.path });
    await file.write('[{"name": "half');
    await eventually(() =>
      expect(running.log).toContainEqual(
        expect.objectContaining({ msg: expect.stringMatching(/tokens\.json stay in use/) }),
      ),
    );
    expect(await statusOf(running, file.tokenOf('read'))).toBe(404);
    await file.renew('publish');
    await eventually(async () => expect(await statusOf(running, file.tokenOf('read'))).toBe(401));
  });
});

describe('A file of tokens stops the start', () => {
  const listed = newToken('shop', 'read').listed;

  it.each([
    ['it is no JSON', 'alloc_secret', 'JSON list'],
    ['it is no list', '{}', 'the list'],
    ['a role is unknown', JSON.stringify([{ ...listed, role: 'admin' }]), '0.role'],
    ['a hash is a token', JSON.stringify([{ ...listed, sha256: 'alloc_secret' }]), '0.sha256'],
    ['a name has a line end', JSON.stringify([{ ...listed, name: 'a\nb' }]), '0.name'],
    ['a hash is there twice', JSON.stringify([listed, listed]), 'twice'],
  ])('when %s, and shows no token', async (_, text, word) => {
    await using file = await TokenFile.with();
    await file.write(text);
    const error = await startApi({ HTTP_TOKENS_FILE: file.path }).catch((thrown: Error) => thrown);
    expect(error).toMatchObject({ code: 'listen', message: expect.stringContaining(word) });
    expect((error as Error).message).toMatch(/^HTTP_TOKENS_FILE=/);
    expect((error as Error).message).not.toContain('alloc_secret');
  });

  it('when it does not exist', async () => {
    await expect(startApi({ HTTP_TOKENS_FILE: '/nowhere/tokens.json' })).rejects.toThrow(
      /^HTTP_TOKENS_FILE=\/nowhere\/tokens.json cannot be used: ENOENT/,
    );
  });
});

describe('A new token', () => {
  it('is different each time, and the file does not show it', () => {
    const made = Array.from({ length: 100 }, () => newToken('shop', 'publish'));
    expect(new Set(made.map(({ token }) => token)).size).toBe(100);
    for (const { token, listed } of made) {
      expect(token).toMatch(/^alloc_[\w-]{43}$/);
      expect(Object.keys(listed)).toEqual(['name', 'role', 'sha256']);
      expect(JSON.stringify(listed)).not.toContain(token.slice(6));
    }
  });

  it.each<[Role, readonly Role[]]>([
    ['read', ['read']],
    ['publish', ['read', 'publish']],
    ['operate', ['read', 'publish', 'operate']],
  ])('of the role %s allows %s', (role, allowed) => {
    expect(ROLES.filter((needed) => includes(role, needed))).toEqual(allowed);
  });
});
