import './patches.ts';
import { Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import type { Logger } from 'pino';
import { FencedError, TroubleError } from '../../../service-layer/errors.ts';

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** The name under which a member of a group is known across restarts of its process; null: it has none. */
  readonly instanceId?: string | null;
  readonly log: Logger;
}

/** How long one operation may take before it counts as failed. */
export const OPERATION_TIMEOUT_MS = 10_000;
const DISCONNECT_TIMEOUT_MS = 3_000;

/** A kafkajs client, for what only its admin does. */
export function createClient(options: KafkaOptions, retries = 5): Kafka {
  return new Kafka(clientConfig(options, retries));
}

/**
 * kafkajs's log lines are for debugging: it reports as errors what is normal life here (rebalances, waiting for a transaction,
 * a broker that is away), and this adapter says itself what its user must know.
 */
export function clientConfig(
  { brokers, clientId, log }: KafkaOptions,
  retries: number,
): KafkaConfig {
  const isDebugging = log.isLevelEnabled('debug');
  return {
    brokers: [...brokers],
    clientId,
    connectionTimeout: 3_000,
    requestTimeout: OPERATION_TIMEOUT_MS,
    retry: { initialRetryTime: 100, multiplier: 2, maxRetryTime: 1_000, retries },
    logLevel: isDebugging ? logLevel.INFO : logLevel.NOTHING,
    logCreator:
      () =>
      ({ namespace, level, log: { message, timestamp: _, logger: __, ...details } }) =>
        log[level <= logLevel.WARN ? 'debug' : 'trace'](
          details,
          `kafkajs ${namespace}: ${message}`,
        ),
  };
}

/** Whether the error, or what caused it, is the broker's answer with that name. */
export function isAnswer(error: unknown, ...types: readonly string[]): boolean {
  for (
    let each = error, depth = 0;
    each instanceof Error && depth < 10;
    each = each.cause, depth += 1
  ) {
    if ('type' in each && types.includes(String(each.type))) return true;
  }
  return false;
}

/** The error as the service layer knows it. */
export function asServiceError(error: unknown, doing: string): Error {
  if (error instanceof TroubleError || error instanceof FencedError) return error;
  const { message } = error as Error;
  const isFenced =
    isAnswer(error, 'INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED') ||
    message.includes('Unknown error code 90');
  if (isFenced)
    return new FencedError(`${doing}: another process has taken over (${message})`, {
      cause: error,
    });
  return new TroubleError(`${doing}: ${message}`, { cause: error });
}

/** @throws {TroubleError} the work takes too long; it may still happen */
export async function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  doing: string,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new TroubleError(`${doing}: Kafka did not answer within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Lets go of a client's connections. Never rejects, never hangs. */
export async function disconnect(
  client: { disconnect(): Promise<void> },
  timeoutMs = DISCONNECT_TIMEOUT_MS,
): Promise<void> {
  await withDeadline(client.disconnect(), timeoutMs, 'Disconnecting').catch(() => {});
}
