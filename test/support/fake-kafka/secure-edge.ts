import { Writable } from 'node:stream';
import { pino } from 'pino';
import { type Edge, type EdgeSecurity, event, position } from './edge.ts';
import type { FakeSasl } from './sasl-session.ts';

export const PASSWORD = 'pass-word-of-alice';

/** A listener that offers every mechanism, and knows Alice. */
export function fakeSasl(others: Partial<FakeSasl> = {}): FakeSasl {
  return {
    mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER'],
    passwords: { alice: PASSWORD },
    isValid: () => false,
    sessionMs: 0,
    ...others,
  };
}

/** Brokers with SASL, and a client that is Alice. */
export function asAlice(
  mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512',
  password = PASSWORD,
  others: Partial<FakeSasl> = {},
): EdgeSecurity {
  return {
    brokers: { sasl: fakeSasl(others) },
    client: { tls: null, sasl: { mechanism, username: 'alice', password } },
  };
}

/** What each part of the service does first. Each opens connections of its own. */
export const PARTS = {
  'the admin': ({ admin }: Edge) => admin.offsetRanges('events'),
  'the creation of topics': ({ topics }: Edge) =>
    topics.ensureTopics([{ name: 'new', partitions: 1, maxMessageBytes: 1_000_000 }], true),
  'the publisher': ({ publisher }: Edge) => publisher.publish('events', [event(0, 'published')]),
  'the transactional producer': async (edge: Edge) => {
    const producer = await edge.openProducer();
    await producer.publish([event(0, 'answer')], position(1));
  },
};

export type Part = keyof typeof PARTS;
export const ALL_PARTS = Object.keys(PARTS) as readonly Part[];

/** Runs the part. @returns the message of its error */
export async function failureOf(part: Part, edge: Edge): Promise<string> {
  return await PARTS[part](edge).then(
    () => 'it works',
    ({ message }: Error) => message,
  );
}

/** A log at its finest level, with all lines in one text. */
export function captureLog() {
  const lines: string[] = [];
  const stream = new Writable({
    write: (line, _, done) => {
      lines.push(String(line));
      done();
    },
  });
  return { log: pino({ level: 'trace' }, stream), text: () => lines.join('') };
}
