import { connect, type Socket } from 'node:net';
import pino from 'pino';
import { readConfig } from '../../src/config.ts';
import { LetterFollower } from '../../src/dead-letters/letter-follower.ts';
import { HttpApi, type HttpApiOptions } from '../../src/entrypoints/http/api.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import { Jobs } from '../../src/jobs/jobs.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { unreadAudit } from './audit.ts';

/** Runs the HTTP API without a service behind it. The test supplies the broker. */
export class HttpApiAlone implements AsyncDisposable {
  readonly api: HttpApi;
  /** All log lines, parsed. */
  readonly log: Record<string, unknown>[] = [];

  private constructor(broker: Partial<Broker>, options: Partial<HttpApiOptions>) {
    const expected = new Proxy(broker as Broker, {
      get: (target, name) => Reflect.get(target, name) ?? notExpected(name),
    });
    this.api = new HttpApi({
      broker: expected,
      commandsTopic: 'commands',
      eventsTopic: 'events',
      deadLettersTopic: 'dead-letters',
      auditTopic: null,
      group: 'allocation',
      query: async () => [],
      metrics: new Metrics(),
      problems: () => [],
      standby: () => null,
      notes: () => [],
      status: () => Promise.reject(new Error('The test does not expect a status')),
      history: () => ({ stepSeconds: 5, points: [] }),
      lanes: { pause: async () => null, resume: async () => false },
      letters: new LetterFollower(expected, 'dead-letters'),
      jobs: new Jobs(),
      recovery: {
        verify: () => Promise.reject(new Error('The test does not expect a verify')),
        plan: () => Promise.reject(new Error('The test does not expect a plan')),
      },
      auditOf: () => unreadAudit(),
      release: async () => {},
      doors: readConfig({}).httpDoors,
      log: pino(
        { level: 'info' },
        { write: (line: string) => void this.log.push(JSON.parse(line)) },
      ),
      ...options,
    });
  }

  static async start(
    broker: Partial<Broker>,
    options: Partial<HttpApiOptions> = {},
    port = 0,
  ): Promise<HttpApiAlone> {
    const alone = new HttpApiAlone(broker, options);
    await alone.api.listen('127.0.0.1', port);
    return alone;
  }

  get url(): string {
    return this.api.url ?? '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.close();
  }
}

function notExpected(name: string | symbol) {
  return () => Promise.reject(new Error(`The test does not expect broker.${String(name)}`));
}

/** Opens a connection and sends the text. Tests use it for requests that `fetch` cannot send. */
export function connectTo(url: string, text: string): Socket {
  const { port, hostname } = new URL(url);
  const socket = connect(Number(port), hostname);
  // The server may hang up at any time.
  socket.on('error', () => {});
  socket.write(text, 'latin1');
  return socket;
}

/**
 * Sends the text, and reads until the server hangs up, even if the server has not read everything.
 */
export async function exchange(url: string, text: string): Promise<string> {
  const chunks: Buffer[] = [];
  const socket = connectTo(url, text);
  socket.on('data', (chunk) => chunks.push(chunk));
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(chunks).toString();
}
