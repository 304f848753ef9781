import { describe, expect, it } from 'vitest';
import { eventually } from '../../../../support/eventually.ts';
import { Edge, event, position } from '../../../../support/fake-kafka/edge.ts';
import {
  ALL_PARTS,
  asAlice,
  captureLog,
  failureOf,
  PARTS,
  PASSWORD,
} from '../../../../support/fake-kafka/secure-edge.ts';
import { WatchedConsumer } from '../../../../support/fake-kafka/watched-consumer.ts';

const MECHANISMS = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
/** Longer than a second, because Kafka lets a connection authenticate again once a second. */
const SESSION_MS = 4_000;

const sum = (numbers: readonly number[]) => numbers.reduce((all, each) => all + each, 0);
const opened = ({ kafka }: Edge) => sum(kafka.nodes.map((node) => node.opened));
const handshakes = ({ kafka }: Edge) => kafka.requests('SaslHandshake').length;

describe('a user with a password', () => {
  it.each(MECHANISMS)('is authenticated by %s for every part', async (mechanism) => {
    await using edge = await Edge.start(asAlice(mechanism));
    for (const part of ALL_PARTS) await PARTS[part](edge);
    expect(edge.committed('events')).toEqual(['answer', 'published']);
    expect(edge.kafka.requests('SaslHandshake')[0]).toEqual({ mechanism });
  });

  const wrong = [
    ...MECHANISMS.map((mechanism) => [mechanism, 'the admin'] as const),
    ...ALL_PARTS.map((part) => ['PLAIN', part] as const),
  ];
  it.each(wrong)('with a wrong password gets one clear line: %s, %s', async (mechanism, part) => {
    await using edge = await Edge.start(asAlice(mechanism, 'wrong-word'));
    const message = await failureOf(part, edge);
    expect(message).toMatch(/Kafka at 127\.0\.0\.1:\d+ refuses the user alice \(/);
    expect(message).toContain(`(${mechanism}: `);
    expect(message).toContain('Check KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD');
    expect(message).not.toMatch(/wrong-word|\n/);
  });

  it.each(ALL_PARTS)('hears that its mechanism is not offered: %s', async (part) => {
    await using edge = await Edge.start(
      asAlice('PLAIN', PASSWORD, { mechanisms: ['OAUTHBEARER'] }),
    );
    expect(await failureOf(part, edge)).toMatch(
      /does not offer this SASL mechanism.*Set KAFKA_SASL_MECHANISM/,
    );
  });

  it.each(ALL_PARTS)('hears that the listener takes no SASL: %s', async (part) => {
    await using edge = await Edge.start({ ...asAlice('PLAIN'), brokers: {} });
    expect(await failureOf(part, edge)).toMatch(/takes no SASL.*Set KAFKA_SECURITY_PROTOCOL/);
  });

  it('goes on after a password that was wrong for some time', async () => {
    const alice = asAlice('SCRAM-SHA-512', PASSWORD, { passwords: {} });
    await using edge = await Edge.start(alice);
    await expect(edge.admin.offsetRanges('events')).rejects.toThrow('refuses the user alice');
    if (alice.brokers.sasl) alice.brokers.sasl.passwords = { alice: PASSWORD };
    expect(await edge.admin.offsetRanges('events')).toHaveLength(4);
  });

  it.each(['right', 'wrong'] as const)('never shows a %s password', async (which) => {
    const output = captureLog();
    const password = which === 'right' ? PASSWORD : 'wrong-word';
    await using edge = await Edge.start({ ...asAlice('PLAIN', password), log: output.log });
    const messages = await Promise.all(ALL_PARTS.map((part) => failureOf(part, edge)));
    const all = [...messages, output.text(), JSON.stringify(edge.options.security)].join('\n');
    expect(all).not.toContain(password);
    expect(all).not.toContain(Buffer.from(password).toString('base64').slice(0, -4));
  });
});

describe('before a session ends', () => {
  it('each connection authenticates again, and stays open', async () => {
    await using edge = await Edge.start(
      asAlice('SCRAM-SHA-256', PASSWORD, { sessionMs: SESSION_MS }),
    );
    const consuming = new WatchedConsumer(edge);
    try {
      await consuming.consumer.firstJoin;
      const producer = await edge.openProducer();
      const work = async (value: string) => {
        await edge.kafka.append('commands', 0, [value]);
        await producer.publish([event(0, value)], position(1));
        await edge.publisher.publish('events', [event(1, value)]);
      };
      await work('first');
      const [openedFirst, handshakesFirst] = [opened(edge), handshakes(edge)];
      let count = 1;
      await eventually(
        async () => {
          await work(String(count));
          count += 1;
          expect(handshakes(edge)).toBeGreaterThan(2 * handshakesFirst);
        },
        { withinMs: 60_000 },
      );
      expect(opened(edge)).toBe(openedFirst);
      await eventually(() => expect(consuming.open[0]?.received).toHaveLength(count));
      expect(edge.committed('events')).toHaveLength(2 * count);
    } finally {
      await consuming.consumer.close();
    }
  }, 90_000);

  it('a user that is no longer known gets one clear line', async () => {
    const alice = asAlice('PLAIN', PASSWORD, { sessionMs: SESSION_MS });
    await using edge = await Edge.start(alice);
    const producer = await edge.openProducer();
    if (alice.brokers.sasl) alice.brokers.sasl.passwords = {};
    const publishing = eventually(
      async () => {
        const refused = await producer.publish([event(0, 'a')], position(1)).then(
          () => 'it works',
          ({ message }: Error) => message,
        );
        expect(refused).toContain('refuses the user alice');
      },
      { withinMs: 10_000 },
    );
    await expect(publishing).resolves.toBeUndefined();
  }, 30_000);
});
