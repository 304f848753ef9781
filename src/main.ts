import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import { bootstrap, type Service } from './bootstrap.ts';
import type { Config } from './config.ts';

/** npm passes a signal on that the whole process group has got already: that is one, not two. */
const SAME_SIGNAL_MS = 300;
/** How late "Ready" may be said. */
const READY_LOOK_MS = 20;

/** JSON lines for machines, readable lines on a terminal. */
export function createLog(level: string): Logger {
  const options = { level, base: null };
  if (!process.stdout.isTTY) return pino(options);
  return pino(
    options,
    pretty({ colorize: true, ignore: 'hostname,pid', translateTime: 'SYS:HH:MM:ss', sync: true }),
  );
}

/** Runs the service until SIGINT or SIGTERM; a second one stops it at once. */
export async function runService(config: Config): Promise<void> {
  const log = createLog(config.logLevel);
  let service: Service | null = null;
  const stopped = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let stoppingSinceMs: number | null = null;
  const stop = (signal: NodeJS.Signals) => {
    if (stoppingSinceMs !== null) {
      if (Date.now() - stoppingSinceMs > SAME_SIGNAL_MS)
        process.exit(128 + constants.signals[signal]);
      return;
    }
    stoppingSinceMs = Date.now();
    stopping.abort();
    if (!service) {
      // Nothing is in hand yet. As the first process of a container it would not end by itself.
      log.info(`${signal}: stopped before the database was opened`);
      process.exit(0);
    }
    log.info(`${signal}: finishing what is in hand; once more stops at once`);
    service.close().then(stopped.resolve, stopped.reject);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  service = await bootstrap(config, log);
  void service.died.then((error) => {
    // What is in hand is finished, and then the process ends in any case.
    if (stopping.signal.aborted) return;
    log.fatal({ err: error }, `This process can do nothing more. ${error.message}`);
    process.exit(1);
  });
  try {
    await service.start();
  } catch (error) {
    await service.close();
    throw error;
  }
  await ready(service, stopping.signal);
  if (service.http.url && !stopping.signal.aborted) greet(service.http.url, config, log);
  await stopped.promise;
  log.info('Stopped');
}

/** Resolves when every lane that the service has works, or when it stops. What keeps the lanes, they log themselves. */
async function ready(service: Service, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && service.problems().length > 0)
    await sleep(READY_LOOK_MS, undefined, { signal }).catch(() => {});
}

function greet(url: string, config: Config, log: Logger): void {
  const post = (data: string) =>
    `curl -s ${url}/commands -H 'content-type: application/json' -d '${data}'`;
  const examples = [
    post('{"type":"CreateBatch","reference":"batch-1","sku":"SMALL-TABLE","quantity":20}'),
    post('{"type":"AllocateOrder","orderid":"order-1","sku":"SMALL-TABLE","qty":2}'),
    `curl -s ${url}/allocations/order-1`,
  ];
  const source = config.kafkaBrokers
    ? `Kafka at ${config.kafkaBrokers.join(',')}`
    : 'the embedded log';
  log.info(
    { url, examples: process.stdout.isTTY ? undefined : examples },
    `Ready on ${source}; the HTTP API listens on ${url}`,
  );
  if (process.stdout.isTTY)
    process.stdout.write(
      `\nTry, in another terminal:\n\n${examples.map((each) => `  ${each}\n`).join('')}\n`,
    );
}
