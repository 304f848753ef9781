import { describe, expect, it } from 'vitest';
import { eventually } from '../../../../support/eventually.ts';
import { Edge } from '../../../../support/fake-kafka/edge.ts';
import type { FakeSasl } from '../../../../support/fake-kafka/sasl-session.ts';
import {
  ALL_PARTS,
  captureLog,
  failureOf,
  fakeSasl,
  PARTS,
} from '../../../../support/fake-kafka/secure-edge.ts';
import { CLIENT_SECRET, TokenEndpoint, token } from '../../../../support/token-endpoint.ts';

const SESSION_MS = 4_000;

/** Starts brokers that take the token `token-1`, and a client of the endpoint. */
async function start(endpoint: TokenEndpoint, others: Partial<FakeSasl> = {}) {
  const sasl = fakeSasl({ isValid: (value) => value === 'token-1', ...others });
  const output = captureLog();
  const edge = await Edge.start({
    brokers: { sasl },
    client: { tls: null, sasl: { mechanism: 'OAUTHBEARER', ...endpoint.client } },
    log: output.log,
  });
  return { edge, sasl, output };
}

describe('a client with a token', () => {
  it('is authenticated for every part, with one token', async () => {
    await using endpoint = await TokenEndpoint.open();
    const { edge } = await start(endpoint);
    await using _ = edge;
    for (const part of ALL_PARTS) await PARTS[part](edge);
    expect(edge.committed('events')).toEqual(['answer', 'published']);
    expect(endpoint.asked).toHaveLength(1);
  });

  it.each(ALL_PARTS)('hears that the broker refuses the token: %s', async (part) => {
    await using endpoint = await TokenEndpoint.open();
    const { edge, output } = await start(endpoint, { isValid: () => false });
    await using _ = edge;
    const message = await failureOf(part, edge);
    expect(message).toMatch(/Kafka at 127\.0\.0\.1:\d+ refuses the token of stock/);
    expect(message).toContain('{"status":"invalid_token"}');
    expect(message + output.text()).not.toMatch(/token-1|\n.*client-secret/);
  });

  it.each(ALL_PARTS)('hears why there is no token: %s', async (part) => {
    await using endpoint = await TokenEndpoint.open();
    endpoint.answer = { status: 401, body: { error: 'invalid_client' } };
    const { edge, output } = await start(endpoint);
    await using _ = edge;
    const message = await failureOf(part, edge);
    expect(message).toContain('answers 401 (invalid_client)');
    expect(message + output.text()).not.toContain(CLIENT_SECRET);
  });

  it('shows its next token before a session ends, on the same connection', async () => {
    await using endpoint = await TokenEndpoint.open();
    endpoint.answer = token('token-1', 1);
    const shown = new Set<string>();
    const isValid = (value: string) => {
      shown.add(value);
      return true;
    };
    const { edge } = await start(endpoint, { isValid, sessionMs: SESSION_MS });
    await using _ = edge;
    await edge.admin.offsetRanges('events');
    const opened = edge.kafka.nodes.map((node) => node.opened);
    endpoint.answer = token('token-2', 100);
    await eventually(
      async () => {
        await edge.admin.offsetRanges('events');
        expect([...shown]).toEqual(['token-1', 'token-2']);
      },
      { withinMs: 20_000 },
    );
    expect(edge.kafka.nodes.map((node) => node.opened)).toEqual(opened);
  }, 30_000);
});
