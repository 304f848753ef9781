import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ask, bearer, startApi, TokenFile } from '../../../../support/doors.ts';
import { eventually } from '../../../../support/eventually.ts';
import { connectTo, type HttpApiAlone } from '../../../../support/http-api-alone.ts';
import { OidcProvider } from '../../../../support/oidc-provider.ts';
import { ROUTES } from '../../../../support/served-routes.ts';

const secondsFromNow = (seconds: number) => Math.floor(Date.now() / 1_000) + seconds;

describe('The HTTP API with an OpenID Connect provider', () => {
  let provider: OidcProvider;
  let running: HttpApiAlone;

  const settings = () => ({
    HTTP_OIDC_ISSUER: provider.issuer,
    HTTP_OIDC_AUDIENCE: 'allocation',
  });

  beforeEach(async () => {
    provider = await OidcProvider.start();
    running = await startApi(settings());
    // A busy machine may take longer than the API gives the provider.
    await eventually(async () => expect(await statusOf(await provider.token())).toBe(404), {
      withinMs: 60_000,
    });
    provider.asked.length = 0;
  });
  afterEach(async () => {
    vi.useRealTimers();
    await running[Symbol.asyncDispose]();
    await provider[Symbol.asyncDispose]();
  });

  const answerTo = (token: string, path = '/products/s', method = 'GET') =>
    ask(`${running.url}${path}`, method, bearer(token));
  const statusOf = async (token: string) => (await answerTo(token)).status;

  it.each(ROUTES)('%s %s lets in whom the provider gave the role', async (method, path, role) => {
    const token = await provider.token({ roles: [role] });
    expect([200, 202, 404]).toContain((await answerTo(token, path, method)).status);
    const without = await answerTo(await provider.token({ roles: [] }), path, method);
    expect(without.status).toBe(403);
  });

  it.each([
    ['expired', { exp: secondsFromNow(-3_600) }, 'expired'],
    ['for another audience', { aud: 'billing' }, 'aud'],
    ['for no audience', { aud: undefined }, 'aud'],
    ['of another issuer', { iss: 'https://elsewhere.test' }, 'iss'],
    ['without an end', { exp: undefined }, 'exp'],
    ['not valid yet', { nbf: secondsFromNow(3_600) }, 'nbf'],
  ])('refuses a token that is %s', async (_, claims, word) => {
    for (const [method, path] of ROUTES.filter(([name]) => name !== 'HEAD')) {
      const answer = await answerTo(await provider.token(claims), path, method);
      expect([answer.status, answer.headers.get('www-authenticate')]).toEqual([
        401,
        'Bearer realm="allocation", error="invalid_token"',
      ]);
      expect(((await answer.json()) as { detail: string }).detail).toContain(word);
    }
  });

  it('accepts clocks that are 20 s apart', async () => {
    expect(await statusOf(await provider.token({ exp: secondsFromNow(-20) }))).toBe(404);
    expect(await statusOf(await provider.token({ nbf: secondsFromNow(20) }))).toBe(404);
  });

  it('refuses tokens that anybody can make', async () => {
    const claims = { iss: provider.issuer, aud: 'allocation', roles: ['operate'] };
    const exp = secondsFromNow(300);
    expect(await statusOf(new UnsecuredJWT({ ...claims, exp }).encode())).toBe(401);
    const shared = new SignJWT({ ...claims, exp }).setProtectedHeader({ alg: 'HS256' });
    const answer = await answerTo(await shared.sign(new TextEncoder().encode('x'.repeat(32))));
    expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
      401,
      expect.stringMatching(/^The token must be signed with one of /),
    ]);
  });

  it('takes access tokens only, if the token says its type', async () => {
    for (const typ of ['JWT', 'jwt', 'at+jwt', 'application/at+jwt'])
      expect(await statusOf(await provider.token({}, { typ }))).toBe(404);
    for (const typ of ['logout+jwt', 'dpop+jwt', 'application/secevent+jwt', '']) {
      const answer = await answerTo(await provider.token({}, { typ }));
      expect([answer.status, ((await answer.json()) as { detail: string }).detail]).toEqual([
        401,
        'The type of the token must be JWT or at+jwt',
      ]);
    }
  });

  it('refuses a token whose claims or signature were changed', async () => {
    const [head, body = '', signature = ''] = (await provider.token()).split('.');
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString());
    const more = Buffer.from(JSON.stringify({ ...claims, roles: ['operate'] }));
    expect(await statusOf(`${head}.${more.toString('base64url')}.${signature}`)).toBe(401);
    expect(await statusOf(`${head}.${body}.${signature.toUpperCase()}`)).toBe(401);
    expect(await statusOf(`${head}.${body}`)).toBe(401);
  });

  it('takes the key that the provider has after a rotation, and the old one no more', async () => {
    const before = await provider.token();
    await provider.rotate();
    const after = await provider.token();
    // The provider was asked a moment ago. Let that moment pass.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    expect(await statusOf(after)).toBe(404);
    expect(await statusOf(before)).toBe(401);
  });

  it('asks the provider once for many unknown keys', async () => {
    const strange = await OidcProvider.start();
    const tokens = await Promise.all(
      Array.from({ length: 20 }, () => strange.token({ iss: provider.issuer })),
    );
    await strange[Symbol.asyncDispose]();
    // The time stands still, so that no cooldown ends.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    expect(new Set(await Promise.all(tokens.map(statusOf)))).toEqual(new Set([401]));
    expect(provider.asked).toEqual(['/keys']);
  });

  it.each([
    ['scope', { scope: 'openid publish email' }],
    ['realm_access.roles', { realm_access: { roles: ['other', 'publish'] } }],
    ['https://shop.test/roles', { 'https://shop.test/roles': ['publish', 'read'] }],
  ])('finds the roles in the claim %s', async (claim, claims) => {
    await using other = await startApi({ ...settings(), HTTP_OIDC_ROLES_CLAIM: claim });
    const token = await provider.token({ ...claims, roles: ['operate'] });
    expect((await ask(`${other.url}/commands`, 'POST', bearer(token))).status).toBe(202);
    const without = await provider.token({ roles: ['operate'] });
    expect((await ask(`${other.url}/commands`, 'POST', bearer(without))).status).toBe(403);
  });

  it('takes tokens of a file too', async () => {
    await using file = await TokenFile.with('read');
    await using other = await startApi({ ...settings(), HTTP_TOKENS_FILE: file.path });
    const url = `${other.url}/products/s`;
    expect((await ask(url, 'GET', bearer(file.tokenOf('read')))).status).toBe(404);
    expect((await ask(url, 'GET', bearer(await provider.token()))).status).toBe(404);
  });

  it.each([
    ['calls itself something else', { issuer: 'https://elsewhere.test' }],
    ['has its keys in a file', { jwks_uri: 'file:///etc/passwd' }],
    ['has no keys', { jwks_uri: undefined }],
  ])('answers 503 while the provider %s, and logs why', async (_, discovery) => {
    provider.discovery = discovery;
    await using other = await startApi(settings());
    const answer = await ask(`${other.url}/products/s`, 'GET', bearer(await provider.token()));
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2']);
    expect(other.log).toContainEqual(
      expect.objectContaining({
        msg: expect.stringContaining(`HTTP_OIDC_ISSUER=${provider.issuer} cannot be used`),
      }),
    );
  });

  it('follows no redirect of the provider', async () => {
    const redirect = createServer(({ url }, response) => {
      response.writeHead(302, { location: `${provider.issuer}${url}` }).end();
    }).listen(0, '127.0.0.1');
    await once(redirect, 'listening');
    const issuer = `http://127.0.0.1:${(redirect.address() as AddressInfo).port}`;
    provider.discovery = { issuer };
    try {
      await using other = await startApi({ ...settings(), HTTP_OIDC_ISSUER: issuer });
      const token = await provider.token({ iss: issuer });
      expect((await ask(`${other.url}/products/s`, 'GET', bearer(token))).status).toBe(503);
      expect(provider.asked).toEqual([]);
    } finally {
      redirect.close();
    }
  });

  it('works again when the provider does', async () => {
    provider.discovery = { issuer: 'https://elsewhere.test' };
    await using other = await startApi(settings());
    const token = await provider.token();
    const status = async () => (await ask(`${other.url}/products/s`, 'GET', bearer(token))).status;
    expect(await status()).toBe(503);
    provider.discovery = {};
    await eventually(async () => expect(await status()).toBe(404));
  });

  it('knows its tokens while the provider fails, whatever other keys are sent', async () => {
    const known = await provider.token();
    await provider.rotate();
    const unknown = await provider.token();
    provider.status = 500;
    // The provider was asked a moment ago. Let that moment pass.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 });
    for (let each = 0; each < 5; each += 1) {
      expect(await statusOf(unknown)).toBe(503);
      expect(await statusOf(known)).toBe(404);
    }
    expect(provider.asked).toEqual(['/keys']);
    expect(running.log.filter(({ msg }) => String(msg).includes('answers 500'))).toHaveLength(1);
  });

  it('forgets clients that leave while their tokens are checked', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    provider.mayAnswer = promise;
    await using other = await startApi(settings());
    const token = await provider.token({ roles: ['publish'] });
    const head =
      `POST /commands HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer ${token}\r\n` +
      'content-type: application/json\r\ncontent-length: 1000000\r\n\r\n{';
    // So many commands use up the memory for commands that wait for the log.
    const sockets = Array.from({ length: 20 }, () => connectTo(other.url, head));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await ask(`${other.url}/healthz`, 'GET');
    for (const socket of sockets) socket.destroy();
    await ask(`${other.url}/healthz`, 'GET');
    resolve();
    expect((await ask(`${other.url}/commands`, 'POST', bearer(token))).status).toBe(202);
  });

  it('shows no token in any answer or log line', async () => {
    const token = await provider.token({ aud: 'billing' });
    const text = await (await answerTo(token)).text();
    const [, body = '', signature = ''] = token.split('.');
    for (const part of [body, signature])
      expect(text + JSON.stringify(running.log)).not.toContain(part);
  });
});
