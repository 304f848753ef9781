// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestAuthority } from '../support/certificates.ts';
import { runCli } from '../support/cli.ts';
import { CommandFlow } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { type Grant, SecureBroker } from '../support/kafka-java/secure-broker.ts';
import { scramListener } from '../support/kafka-java/secure-listeners.ts';
import { ServiceProcess } from '../support/service-process.ts';

const PASSWORD = 'pass-word-of-the-service';
/** Several sessions end while the service works. */
const SESSION_MS = 5_000;
const COMMANDS = 500;
const PATIENCE = { withinMs: 120_000 };

let directory: string;
let kafka: SecureBroker | null = null;
let authority: TestAuthority;
let stranger: TestAuthority;
let flow: CommandFlow;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'allocation-secure-'));
  authority = await TestAuthority.create(directory, 'authority');
  stranger = await TestAuthority.create(directory, 'stranger');
  const shown = await authority.sign('broker', { altNames: ['IP:127.0.0.1'] });
  const listener = scramListener({ stock: PASSWORD, reader: PASSWORD }, SESSION_MS);
  kafka = await SecureBroker.start(shown, listener).catch((reason: Error) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests on a secure Kafka are skipped: ${reason.message}\n`);
    return null;
  });
  flow = new CommandFlow(kafka?.adminBrokers ?? '');
}, 300_000);

afterAll(async () => {
  await kafka?.[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** The permissions that docs/security.md lists for a service, for the first start and later. */
function grantsOfService() {
  const { commands, events, deadLetters } = flow.topics;
  const topics = [commands, events, deadLetters];
  const first: Grant[] = topics.map((topic) => ['CREATE', 'TOPIC', topic]);
  const always: Grant[] = [
    ...topics.map((topic): Grant => ['READ', 'TOPIC', topic]),
    ...topics.map((topic): Grant => ['WRITE', 'TOPIC', topic]),
    ...topics.map((topic): Grant => ['DESCRIBE_CONFIGS', 'TOPIC', topic]),
    ['READ', 'GROUP', flow.group],
    ['WRITE', 'TRANSACTIONAL_ID', `${flow.group}-*`],
  ];
  return { first, always };
}

const databaseUrl = () => `sqlite:///${join(directory, 'stock.db')}`;

function environment(others: Record<string, string> = {}): Record<string, string> {
  return {
    ...flow.environment(kafka?.brokers ?? '', databaseUrl()),
    KAFKA_SECURITY_PROTOCOL: 'SASL_SSL',
    KAFKA_SSL_CA_FILE: authority.rootCert,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: 'stock',
    KAFKA_SASL_PASSWORD: PASSWORD,
    ...others,
  };
}

const readiness = async ({ url }: ServiceProcess) => {
  const response = await fetch(`${url}/readyz`);
  return `${response.status} ${await response.text()}`;
};

describe('a service on a Kafka with TLS, SCRAM and permissions', () => {
  it('says which permission is missing, until it has all, and then answers', async ({ skip }) => {
    if (!kafka) return skip('no Kafka');
    const { first, always } = grantsOfService();
    await using service = ServiceProcess.spawn(environment(), directory);
    await service.listens();
    const says = (words: RegExp) =>
      eventually(() => expect(service.output.join('\n')).toMatch(words), PATIENCE);
    await says(/User:stock lacks Describe on the topic .* Grant it: kafka-acls\.sh .*User:stock/);
    expect(await readiness(service)).toMatch(/^503 .*User:stock lacks Describe on the topic/);
    await kafka.grant('stock', [...first, ...always.filter(([, kind]) => kind === 'TOPIC')]);
    await says(/User:stock lacks Describe on the group group-/);
    await kafka.grant('stock', [['READ', 'GROUP', flow.group]]);
    await says(/User:stock lacks Describe on the transactional id group-/);
    expect(await readiness(service)).toMatch(/^503 .*--transactional-id/);
    await kafka.grant('stock', always);
    await kafka.revoke('stock', first);
    await service.ready();

    await flow.connect();
    await flow.bringStock();
    await flow.send(1, COMMANDS);
    const startedMs = Date.now();
    await flow.send(2, COMMANDS, () => Date.now() - startedMs > 3 * SESSION_MS);
    await eventually(async () => expect(await flow.lag()).toBe(0), PATIENCE);

    const reading: Grant[] = [['READ', 'TOPIC', flow.topics.commands]];
    await kafka.revoke('stock', reading);
    await eventually(
      async () =>
        expect(await readiness(service)).toMatch(/^503 .*User:stock lacks Read on the topic/),
      PATIENCE,
    );
    await kafka.grant('stock', reading);
    await eventually(async () => expect(await readiness(service)).toMatch(/^200 /), PATIENCE);
    expect(await service.stop()).toBe(0);
    expect(service.output.join('\n')).not.toContain(PASSWORD);
    await flow.disconnect();
    const history = await flow.history(databaseUrl());
    expect(history.commands).toHaveLength(flow.sent);
    expect(checkHistory(history)).toEqual([]);
  }, 600_000);

  it('starts again without Create, and takes commands over HTTP', async ({ skip }) => {
    if (!kafka) return skip('no Kafka');
    await using service = await ServiceProcess.start(environment(), directory);
    const body = JSON.stringify({ type: 'DeallocateOrder', orderid: 'nobody' });
    const headers = { 'content-type': 'application/json' };
    const taken = await fetch(`${service.url}/commands`, { method: 'POST', headers, body });
    expect(taken.status).toBe(202);
    await eventually(async () => expect(await flow.lag()).toBe(0), PATIENCE);
    expect(await service.stop()).toBe(0);
  }, 120_000);

  it('finds each missing permission as a doctor, and nothing else', async ({ skip }) => {
    if (!kafka) return skip('no Kafka');
    const { always } = grantsOfService();
    const reader = { KAFKA_SASL_USERNAME: 'reader', KAFKA_SASL_PASSWORD: PASSWORD };
    const examine = async () => {
      const { code, stdout } = await runCli(environment(reader), directory, ['doctor', '--json']);
      const reports = stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line)] : []));
      const findings = reports.filter(({ state }) => state === 'finding');
      return { code, problems: findings.map(({ problem }) => problem) };
    };
    await kafka.grant('reader', always);
    await eventually(
      async () => expect(await examine()).toEqual({ code: 0, problems: [] }),
      PATIENCE,
    );
    const needed: readonly (readonly [Grant, string])[] = [
      [['WRITE', 'TOPIC', flow.topics.commands], 'Write on the topic'],
      [['DESCRIBE_CONFIGS', 'TOPIC', flow.topics.events], 'DescribeConfigs on the topic'],
      [['READ', 'GROUP', flow.group], 'Read on the group'],
      [['WRITE', 'TRANSACTIONAL_ID', `${flow.group}-*`], 'Write on the transactional ids'],
    ];
    for (const [grant, words] of needed) {
      await kafka.revoke('reader', [grant]);
      const problems = [expect.stringContaining(`User:reader lacks ${words}`)];
      await eventually(
        async () => expect(await examine()).toEqual({ code: 1, problems }),
        PATIENCE,
      );
      await kafka.grant('reader', [grant]);
    }
    await kafka.revoke('reader', always);
  }, 300_000);

  const READING = [
    ['lag', '--json'],
    ['tail', '--topic', 'events', '--until-end', '--json'],
    ['dead-letters', 'list', '--json'],
    ['replay', 'verify', '--json'],
  ];
  it.for(READING)('lets a reader run %s %s', { timeout: 180_000 }, async (words, { skip }) => {
    if (!kafka) return skip('no Kafka');
    const reader = { KAFKA_SASL_USERNAME: 'reader', KAFKA_SASL_PASSWORD: PASSWORD };
    const refused = await runCli(environment(reader), directory, words);
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringContaining('User:reader lacks Describe on'),
    ]);
    const grants: readonly Grant[] = [
      ...Object.values(flow.topics).map((topic): Grant => ['READ', 'TOPIC', topic]),
      ['DESCRIBE', 'GROUP', flow.group],
    ];
    await kafka.grant('reader', grants);
    await eventually(async () => {
      const { code, stderr } = await runCli(environment(reader), directory, words);
      expect([code, stderr]).toEqual([0, expect.not.stringContaining('lacks')]);
    }, PATIENCE);
    await kafka.revoke('reader', grants);
  });

  const wrong: readonly (readonly [string, () => Record<string, string>, RegExp])[] = [
    [
      'a wrong password',
      () => ({ KAFKA_SASL_PASSWORD: 'wrong-word' }),
      /Kafka at 127\.0\.0\.1:\d+ refuses the user stock \(SCRAM-SHA-512: /,
    ],
    [
      'a mechanism that the broker lacks',
      () => ({ KAFKA_SASL_MECHANISM: 'PLAIN' }),
      /does not offer this SASL mechanism.*Set KAFKA_SASL_MECHANISM/,
    ],
    [
      'a wrong authority',
      () => ({ KAFKA_SSL_CA_FILE: stranger.rootCert }),
      /signed by an unknown authority\. Set KAFKA_SSL_CA_FILE/,
    ],
    [
      'a port without TLS',
      () => ({ KAFKA_BROKERS: kafka?.adminBrokers ?? '' }),
      /Kafka at 127\.0\.0\.1:\d+: .*this port does not speak TLS/,
    ],
  ];
  it.for(wrong)(
    'with %s is not ready, and one line says why',
    { timeout: 120_000 },
    async (row, { skip }) => {
      if (!kafka) return skip('no Kafka');
      const [, others, words] = row;
      await using service = ServiceProcess.spawn(environment(others()), directory);
      await service.listens();
      await eventually(() => expect(service.output.some((line) => words.test(line))).toBe(true), {
        withinMs: 60_000,
      });
      const ready = await readiness(service);
      expect([ready.slice(0, 4), ready]).toEqual(['503 ', expect.stringMatching(words)]);
      expect(await service.stop()).toBe(0);
      expect(service.output.join('\n')).not.toMatch(/wrong-word|pass-word-of/);
    },
  );
});
