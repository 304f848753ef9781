import type { Socket } from 'node:net';
import { type Admin, Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import type { Logger } from 'pino';
import { FencedError, TroubleError } from '../../../service-layer/errors.ts';
import { countBrokerError } from './error-counts.ts';
import { plainSockets } from './kafkajs-internals.ts';
import { connectionProblem } from './security/connection-problems.ts';
import type { ConnectionSecurity } from './security/connection-security.ts';
import { errorChain } from './security/error-chain.ts';

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** The name that a group's static member keeps across restarts of its process; null for none. */
  readonly instanceId?: string | null;
  /** Encrypts and authenticates the connections; absent or null: they are plain. */
  readonly security?: ConnectionSecurity | null;
  readonly log: Logger;
}

/** How long one operation may take before it fails. */
export const OPERATION_TIMEOUT_MS = 10_000;
const DISCONNECT_TIMEOUT_MS = 3_000;
const STILL_ENDING = 'Kafka still ends the former transaction (CONCURRENT_TRANSACTIONS)';

/**
 * Creates kafkajs's admin, for the operations that only it offers. `close` never rejects.
 *
 * kafkajs ends a socket, and waits for the node to end it too. A node that says nothing would keep
 * the socket of each attempt for ever, so `close` destroys them all.
 */
export function createAdmin(options: KafkaOptions, retries: number) {
  const config = clientConfig(options, retries);
  const { socketFactory: open = plainSockets } = config;
  const sockets: Socket[] = [];
  let isClosed = false;
  const socketFactory: typeof open = (of) => {
    // kafkajs goes on with its retries after it was disconnected.
    if (isClosed) throw new TroubleError('The admin is closed');
    const socket = open(of);
    sockets.push(socket);
    return socket;
  };
  const admin: Admin = new Kafka({ ...config, socketFactory }).admin();
  const close = async (): Promise<void> => {
    isClosed = true;
    await disconnect(admin);
    for (const socket of sockets) socket.destroy();
  };
  return { admin, close };
}

/**
 * Makes kafkajs's configuration, which logs for debugging only.
 *
 * kafkajs reports normal events as errors: a rebalance, a wait for a transaction, an unreachable
 * node. The adapter's own log lines say what its user must know.
 * @param retries how often kafkajs repeats an operation
 */
export function clientConfig(
  { brokers, clientId, log, security }: KafkaOptions,
  retries: number,
): KafkaConfig {
  const isDebugging = log.isLevelEnabled('debug');
  return {
    brokers: [...brokers],
    clientId,
    ...security?.config,
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

/** Tells whether the error, or one of its causes, is a broker's error with one of these names. */
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

/** Returns Kafka's name of the error, or of its first cause that has one. */
function answerIn(error: unknown): string | null {
  for (const { type } of errorChain(error)) if (typeof type === 'string') return type;
  return null;
}

/**
 * Turns an error into one of the service layer's errors.
 * @param doing what failed, as the beginning of a message
 * @returns a FencedError if another process has taken over, else a TroubleError
 */
export function asServiceError(error: unknown, doing: string): Error {
  if (error instanceof TroubleError || error instanceof FencedError) return error;
  countBrokerError(answerIn(error) ?? 'other');
  const { message } = error as Error;
  const isFenced =
    isAnswer(error, 'INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED') ||
    message.includes('Unknown error code 90');
  if (isFenced)
    return new FencedError(`${doing}: another process has taken over (${message})`, {
      cause: error,
    });
  const problem = connectionProblem(error);
  const text = isAnswer(error, 'CONCURRENT_TRANSACTIONS') ? STILL_ENDING : message;
  return new TroubleError(`${doing}: ${problem?.text ?? text}`, {
    cause: error,
    advice: problem?.advice ?? null,
  });
}

/**
 * Waits for the work until the deadline.
 * @param doing what is waited for, as the beginning of a message
 * @throws {TroubleError} the work takes too long; it may still succeed later
 */
export async function withDeadline<T>(
  work: Promise<T>,
  timeoutMs: number,
  doing: string,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    countBrokerError('timeout');
    reject(new TroubleError(`${doing}: Kafka did not answer within ${timeoutMs} ms`));
  }, timeoutMs);
  try {
    return await Promise.race([work, promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Closes a client's connections. Never rejects, and takes no longer than the time-out. */
export async function disconnect(
  client: { disconnect(): Promise<void> },
  timeoutMs = DISCONNECT_TIMEOUT_MS,
): Promise<void> {
  await withDeadline(client.disconnect(), timeoutMs, 'Disconnecting').catch(() => {});
}
