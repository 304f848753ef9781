import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { OAuthTokens } from '../../../../../src/adapters/broker/kafka/security/oauth-tokens.ts';
import { CLIENT_SECRET, TokenEndpoint, token } from '../../../../support/token-endpoint.ts';

let endpoint: TokenEndpoint;
let tokens: OAuthTokens;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  endpoint = await TokenEndpoint.open();
  tokens = new OAuthTokens(endpoint.client);
});

afterEach(async () => {
  vi.useRealTimers();
  await endpoint[Symbol.asyncDispose]();
});

/** A JSON Web Token that nobody has signed. */
const unsigned = (claims: object) =>
  ['', JSON.stringify(claims), ''].map((part) => Buffer.from(part).toString('base64url')).join('.');
const messageOf = () => tokens.current().then(String, ({ message }: Error) => message);

describe('a token', () => {
  it('is asked for with the credentials and the scope of the client', async () => {
    expect(await tokens.current()).toBe('token-1');
    expect(endpoint.asked).toEqual([
      {
        form: 'grant_type=client_credentials&scope=kafka',
        credentials: `stock:${encodeURIComponent(CLIENT_SECRET)}`,
      },
    ]);
  });

  it('is asked for once by many callers', async () => {
    await Promise.all(Array.from({ length: 10 }, () => tokens.current()));
    expect(endpoint.asked).toHaveLength(1);
  });

  it('is kept for four fifths of its life, and then replaced', async () => {
    endpoint.answer = token('first', 100);
    await tokens.current();
    endpoint.answer = token('second', 100);
    vi.advanceTimersByTime(79_000);
    expect(await tokens.current()).toBe('first');
    vi.advanceTimersByTime(2_000);
    expect(await tokens.current()).toBe('second');
  });

  it('is kept until it expires while the endpoint gives none', async () => {
    endpoint.answer = token('first', 100);
    await tokens.current();
    endpoint.answer = { status: 503, body: 'busy' };
    vi.advanceTimersByTime(99_000);
    expect(await tokens.current()).toBe('first');
    vi.advanceTimersByTime(2_000);
    expect(await messageOf()).toContain('answers 503');
  });

  it('without expires_in lives as long as it says itself', async () => {
    endpoint.answer = token(unsigned({ exp: Date.now() / 1_000 + 100 }));
    await tokens.current();
    vi.advanceTimersByTime(70_000);
    await tokens.current();
    expect(endpoint.asked).toHaveLength(1);
    vi.advanceTimersByTime(20_000);
    await tokens.current();
    expect(endpoint.asked).toHaveLength(2);
  });

  it('names the subject; without a subject the client counts', async () => {
    expect(tokens.subject).toBe('stock');
    endpoint.answer = token(unsigned({ sub: 'service-account-stock' }), 100);
    await tokens.current();
    expect(tokens.subject).toBe('service-account-stock');
  });

  it('that a broker refuses is replaced once it is 10 s old', async () => {
    await tokens.current();
    tokens.forget();
    await tokens.current();
    expect(endpoint.asked).toHaveLength(1);
    vi.advanceTimersByTime(10_001);
    tokens.forget();
    await tokens.current();
    expect(endpoint.asked).toHaveLength(2);
  });
});

describe('an endpoint without a token', () => {
  it.each([
    [{ status: 401, body: { error: 'invalid_client' } }, /answers 401 \(invalid_client\): check/],
    [{ status: 400, body: { error: CLIENT_SECRET } }, /answers 400: check KAFKA_SASL_OAUTHBEARER_/],
    [{ status: 500, body: CLIENT_SECRET }, /answers 500: check/],
    [{ status: 200, body: {} }, /answers without an access_token/],
    [{ status: 200, body: 'no JSON' }, /answers without an access_token/],
  ])('gives one clear line without a secret: %o', async (answer, sentence) => {
    endpoint.answer = answer;
    const message = await messageOf();
    expect(message).toMatch(sentence);
    expect(message).toMatch(/^The token endpoint http:\/\/127\.0\.0\.1:\d+\/token /);
    expect(message).not.toContain(CLIENT_SECRET);
  });

  it('that is not there is named', async () => {
    const { client } = endpoint;
    tokens = new OAuthTokens({ ...client, tokenEndpoint: 'http://127.0.0.1:1/token' });
    expect(await messageOf()).toMatch(/127\.0\.0\.1:1\/token cannot be reached \(.+\)$/);
  });

  it('that redirects gets the credentials once, and no other address does', async () => {
    endpoint.answer = { status: 307, body: {} };
    expect(await messageOf()).toMatch(/ cannot be reached \(.*redirect.*\)$/);
    expect(endpoint.asked).toHaveLength(1);
  });

  it('that never answers is given up after 5 s', async () => {
    endpoint.answer = null;
    expect(await messageOf()).toContain('does not answer within 5000 ms');
  });

  it('is asked again after one second', async () => {
    endpoint.answer = { status: 500, body: '' };
    await messageOf();
    endpoint.answer = token('token-2', 100);
    expect(await messageOf()).toContain('answers 500');
    vi.advanceTimersByTime(1_001);
    expect(await tokens.current()).toBe('token-2');
    expect(endpoint.asked).toHaveLength(2);
  });
});
