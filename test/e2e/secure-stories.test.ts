// @module-tag db
// @module-tag kafka
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { runCli } from '../support/cli.ts';
import { CommandFlow } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { type Grant, SecureBroker } from '../support/kafka-java/secure-broker.ts';
import { mutualTlsListener, tokenListener } from '../support/kafka-java/secure-listeners.ts';
import { OidcProvider } from '../support/oidc-provider.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { CLIENT_SECRET, TokenEndpoint, token } from '../support/token-endpoint.ts';

const COMMANDS = 1_000;
const AUDIENCE = 'kafka';
/** Tokens end several times while the service works. */
const TOKEN_LIFE_SECONDS = 10;
const PATIENCE = { withinMs: 120_000 };

let directory: string;
let authority: TestAuthority;
let parts: AsyncDisposableStack;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'allocation-story-'));
  authority = await TestAuthority.create(directory, 'authority');
  parts = new AsyncDisposableStack();
}, 60_000);

afterEach(async () => {
  await parts.disposeAsync();
  await rm(directory, { recursive: true, force: true });
}, 60_000);

/** A broker, and what a client of it needs. */
interface Story {
  readonly kafka: SecureBroker;
  readonly flow: CommandFlow;
  readonly settings: Readonly<Record<string, string>>;
}

const certificateOfBroker = () => authority.sign('broker', { altNames: ['IP:127.0.0.1'] });

async function begin(
  starting: Promise<SecureBroker>,
  principal: string,
  settings: Record<string, string>,
): Promise<Story | null> {
  const kafka = await starting.catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`A test on a secure Kafka is skipped: ${reason.message}\n`);
    return null;
  });
  if (kafka === null) return null;
  parts.use(kafka);
  const flow = new CommandFlow(kafka.adminBrokers);
  const topics = Object.values(flow.topics);
  const operations = ['CREATE', 'READ', 'WRITE', 'DESCRIBE_CONFIGS'] as const;
  await kafka.grant(principal, [
    ...topics.flatMap((topic) => operations.map((each): Grant => [each, 'TOPIC', topic])),
    ['READ', 'GROUP', flow.group],
    ['WRITE', 'TRANSACTIONAL_ID', `${flow.group}-*`],
  ]);
  return { kafka, flow, settings: { KAFKA_SSL_CA_FILE: authority.rootCert, ...settings } };
}

const databaseUrl = (name: string) => `sqlite:///${join(directory, `${name}.db`)}`;

function environment({ kafka, flow, settings }: Story, database: string): Record<string, string> {
  return { ...flow.environment(kafka.brokers, databaseUrl(database)), ...settings };
}

const readiness = async ({ url }: ServiceProcess) => (await fetch(`${url}/readyz`)).text();

/** Sends commands, and resolves when all are answered. */
async function answered({ flow }: Story, round: number): Promise<void> {
  await flow.send(round, COMMANDS);
  await eventually(async () => expect(await flow.lag()).toBe(0), PATIENCE);
}

/** Commands in, SIGKILL, a dead letter that is mended, and a rebuild of the database. */
async function tell(story: Story): Promise<void> {
  const { flow } = story;
  const killed = await ServiceProcess.start(environment(story, 'stock'), directory);
  await flow.connect();
  await flow.bringStock();
  const sending = flow.send(1, COMMANDS);
  await killed.stop('SIGKILL');
  await sending;

  await using service = await ServiceProcess.start(environment(story, 'stock'), directory);
  await answered(story, 2);
  await redriveAnEdited(story, service);
  expect(await service.stop()).toBe(0);

  const rebuild = ['replay', 'rebuild', '--into', databaseUrl('rebuilt'), '--execute', '--json'];
  const { code, stderr } = await runCli(environment(story, 'stock'), directory, rebuild);
  expect([code, stderr]).toEqual([0, expect.anything()]);
  await using again = await ServiceProcess.start(environment(story, 'rebuilt'), directory);
  await answered(story, 3);
  expect(await again.stop()).toBe(0);
  await flow.disconnect();
  const history = await flow.history(databaseUrl('rebuilt'));
  expect(checkHistory(history)).toEqual([]);
}

async function redriveAnEdited(story: Story, service: ServiceProcess): Promise<void> {
  const { kafka, topics } = story.flow;
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: topics.commands, messages: [{ value: '{"type":"Alocate"}' }] });
  await producer.disconnect();
  const cli = (...words: readonly string[]) =>
    runCli(environment(story, 'stock'), directory, [...words, '--json']);
  const list = async () => (await cli('dead-letters', 'list')).stdout.trim();
  await eventually(async () => expect(await list()).toContain('unknown-type'), PATIENCE);
  const { id } = JSON.parse(await list());
  const order = '{"type":"DeallocateOrder","orderid":"nobody"}';
  const redriven = await cli('dead-letters', 'redrive', id, '--edit', order, '--execute');
  expect([redriven.code, redriven.stderr]).toEqual([0, expect.anything()]);
  await eventually(async () => expect(await list()).toBe(''), PATIENCE);
  await eventually(async () => expect(await readiness(service)).toContain('"ready"'), PATIENCE);
}

describe('a service on a Kafka that knows clients by their certificates', () => {
  async function start(): Promise<Story | null> {
    const client = await authority.sign('client', { commonName: 'stock' });
    const listener = mutualTlsListener(authority.rootCert);
    return begin(SecureBroker.start(await certificateOfBroker(), listener), 'CN=stock', {
      KAFKA_SECURITY_PROTOCOL: 'SSL',
      KAFKA_SSL_CERT_FILE: client.cert,
      KAFKA_SSL_KEY_FILE: client.key,
    });
  }

  it('answers over a kill, redrives and rebuilds', async ({ skip }) => {
    const story = await start();
    if (!story) return skip('no Kafka');
    await tell(story);
  }, 600_000);

  it('with an expired certificate says so, and works once it is renewed', async ({ skip }) => {
    const story = await start();
    if (!story) return skip('no Kafka');
    await authority.sign('client', { commonName: 'stock', days: -1 });
    await using service = ServiceProcess.spawn(environment(story, 'stock'), directory);
    await service.listens();
    await eventually(
      async () => expect(await readiness(service)).toMatch(/certificate.*expired/i),
      PATIENCE,
    );
    await authority.sign('client', { commonName: 'stock' });
    await service.ready();
    expect(await service.stop()).toBe(0);
  }, 300_000);
});

describe('a service on a Kafka that knows clients by tokens', () => {
  async function start(): Promise<(Story & { readonly provider: OidcProvider }) | null> {
    const provider = parts.use(await OidcProvider.start());
    const endpoint = parts.use(await TokenEndpoint.open());
    endpoint.answer = async () => {
      const exp = Math.floor(Date.now() / 1_000) + TOKEN_LIFE_SECONDS;
      const signed = await provider.token({ sub: 'stock', aud: AUDIENCE, exp, scope: 'kafka' });
      return token(signed, TOKEN_LIFE_SECONDS);
    };
    const { tokenEndpoint, clientId, scope } = endpoint.client;
    const listener = tokenListener({ issuer: provider.issuer, audience: AUDIENCE }, 60_000);
    const starting = SecureBroker.start(await certificateOfBroker(), listener);
    const story = await begin(starting, 'stock', {
      KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
      KAFKA_SASL_MECHANISM: 'OAUTHBEARER',
      KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL: tokenEndpoint,
      KAFKA_SASL_OAUTHBEARER_CLIENT_ID: clientId,
      KAFKA_SASL_OAUTHBEARER_CLIENT_SECRET: CLIENT_SECRET,
      KAFKA_SASL_OAUTHBEARER_SCOPE: scope,
    });
    return story && { ...story, provider };
  }

  it('answers over a kill, redrives and rebuilds', async ({ skip }) => {
    const story = await start();
    if (!story) return skip('no Kafka');
    await tell(story);
  }, 600_000);

  it('answers on when its tokens expire and the key of the issuer changes', async ({ skip }) => {
    const story = await start();
    if (!story) return skip('no Kafka');
    await using service = await ServiceProcess.start(environment(story, 'stock'), directory);
    await story.flow.connect();
    await story.flow.bringStock();
    const startedMs = Date.now();
    await story.flow.send(1, COMMANDS, () => Date.now() - startedMs > 2_500 * TOKEN_LIFE_SECONDS);
    await story.provider.rotate();
    const rotatedMs = Date.now();
    await story.flow.send(2, COMMANDS, () => Date.now() - rotatedMs > 2_500 * TOKEN_LIFE_SECONDS);
    await eventually(async () => expect(await story.flow.lag()).toBe(0), PATIENCE);
    expect(await service.stop()).toBe(0);
    expect(service.output.join('\n')).not.toContain(CLIENT_SECRET);
    await story.flow.disconnect();
    expect(checkHistory(await story.flow.history(databaseUrl('stock')))).toEqual([]);
  }, 600_000);
});
