import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { bootstrap, type Service } from './bootstrap.ts';
import { type Config, unknownVariables } from './config.ts';
import { needsTokens } from './entrypoints/http/doors/settings.ts';
import { createLog } from './log.ts';
import { exitCodeOfSignal, SAME_SIGNAL_MS } from './signals.ts';

/** How often `untilReady` checks whether the service is ready. */
const READY_LOOK_MS = 20;
/**
 * How long a service that has not worked yet may take to stop. A silent Kafka or PostgreSQL would
 * hold the stop up for many seconds. Nothing is lost, because a crash during the start is harmless.
 */
const STOP_STARTING_MS = 1_000;

/**
 * Runs the service until SIGINT or SIGTERM. A second signal ends the process at once.
 *
 * @throws what `bootstrap`, `Service.start` or `Service.close` throws
 */
export async function runService(config: Config): Promise<void> {
  const log = createLog(config.logLevel, process.stdout);
  for (const { name, nearest } of unknownVariables())
    log.warn(`Unknown setting ${name}. Did you mean ${nearest}?`);
  let service: Service | null = null;
  const stopped = Promise.withResolvers<void>();
  const stopping = new AbortController();
  let stoppingSinceMs: number | null = null;
  let hasBeenReady = false;
  let isStopEarly = false;
  const stop = (signal: NodeJS.Signals) => {
    if (stoppingSinceMs !== null) {
      if (Date.now() - stoppingSinceMs > SAME_SIGNAL_MS) process.exit(exitCodeOfSignal(signal));
      return;
    }
    stoppingSinceMs = Date.now();
    stopping.abort();
    if (!service) {
      // Without this exit, the first process of a container would ignore the signal.
      log.info(`${signal}: stopped before the database was open`);
      process.exit(0);
    }
    log.info(`${signal}: finishing the current deliveries. Send the signal again to stop at once`);
    service.close().then(stopped.resolve, stopped.reject);
    isStopEarly = !hasBeenReady && service.consumer.lanes().working === 0;
    if (isStopEarly) setTimeout(stopped.resolve, STOP_STARTING_MS);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  service = await bootstrap(config, log);
  void service.fatalError.then((error) => {
    // `close` finishes the current deliveries, and then the process ends in any case.
    if (stopping.signal.aborted) return;
    log.fatal({ err: error }, `The service ends. ${error.message}`);
    process.exit(1);
  });
  try {
    await Promise.race([service.start(), stopped.promise]);
  } catch (error) {
    if (!stopping.signal.aborted) {
      await service.close();
      throw error;
    }
  }
  await untilReady(service, stopping.signal);
  if (!stopping.signal.aborted) {
    hasBeenReady = true;
    if (service.http.url) greet(service.http.url, config, log);
  }
  await stopped.promise;
  log.info('Stopped');
  // The start may still wait for an answer, and an export of traces for the collector.
  if (isStopEarly || config.tracing) process.exit(0);
}

/** Resolves when the service has no problems, or stops. The lanes log their own problems. */
async function untilReady(service: Service, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && service.problems().length > 0)
    await sleep(READY_LOOK_MS, undefined, { signal }).catch(() => {});
}

/** Logs where the service listens, with three commands to try. */
function greet(url: string, config: Config, log: Logger): void {
  const curl = needsTokens(config.httpDoors)
    ? 'curl -s -H "authorization: Bearer $TOKEN"'
    : 'curl -s';
  const post = (data: string) =>
    `${curl} '${url}/commands?wait=5s' -H 'content-type: application/json' -d '${data}'`;
  const examples = [
    post('{"type":"CreateBatch","reference":"batch-1","sku":"SMALL-TABLE","quantity":20}'),
    post('{"type":"AllocateOrder","orderid":"order-1","sku":"SMALL-TABLE","qty":2}'),
    `${curl} ${url}/allocations/order-1`,
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
