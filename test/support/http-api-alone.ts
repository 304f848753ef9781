import { connect, type Socket } from 'node:net';
import pino from 'pino';
import { readConfig } from '../../src/config.ts';
import { HttpApi, type HttpApiOptions } from '../../src/entrypoints/http/api.ts';
import { Metrics } from '../../src/entrypoints/metrics.ts';
import type { Broker } from '../../src/service-layer/broker.ts';

/** Runs the HTTP API without a service behind it. The test supplies the broker. */
export class HttpApiAlone implements AsyncDisposable {
  readonly api: HttpApi;
  /** All log lines, parsed. */
  readonly log: Record<string, unknown>[] = [];

  private constructor(broker: Partial<Broker>, options: Partial<HttpApiOptions>) {
    this.api = new HttpApi({
      broker: new Proxy(broker as Broker, {
        get: (target, name) => Reflect.get(target, name) ?? notExpected(name),
      }),
      commandsTopic: 'commands',
      eventsTopic: 'events',
      deadLettersTopic: 'dead-letters',
      group: 'allocation',
      query: async () => [],
      metrics: new Metrics(() => ({ working: 0, assigned: 0 })),
      problems: () => [],
      standby: () => null,
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
