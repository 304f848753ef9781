import type { Config } from '../config.ts';
import type { Broker } from '../service-layer/broker.ts';

/** A little longer than the Kafka adapter's own limit: the adapter's error is more exact. */
const ANSWER_TIMEOUT_MS = 11_000;

/**
 * Waits for an answer of the broker.
 *
 * @throws the broker, which the message names, did not answer within `timeoutMs` or is unreachable
 */
export async function awaitBroker<T>(
  answer: Promise<T>,
  { kafkaBrokers }: Pick<Config, 'kafkaBrokers'>,
  timeoutMs: number = ANSWER_TIMEOUT_MS,
): Promise<T> {
  const broker = kafkaBrokers ? `Kafka at ${kafkaBrokers.join(',')}` : 'The embedded log';
  const hint = kafkaBrokers
    ? 'check that Kafka runs there, and that KAFKA_BROKERS is right'
    : 'check the disk of its file (DATABASE_URL)';
  const timeout = `${broker} did not answer within ${timeoutMs / 1_000} s: ${hint}`;
  try {
    return await within(timeoutMs, answer, timeout);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'trouble')) throw error;
    throw new Error(
      `${broker} cannot be used (${error.message.trim()}): ${isLocked(error) ? LOCKED_HINT : hint}`,
      { cause: error },
    );
  }
}

/** Gives each call of the broker a deadline, except `read`: a whole topic may take long. */
export function withDeadlines(
  broker: Broker,
  config: Pick<Config, 'kafkaBrokers'>,
): Pick<Broker, 'read' | 'ensureTopics' | 'offsetRanges' | 'publish' | 'committedOffsets'> {
  return {
    read: (...args) => broker.read(...args),
    ensureTopics: (...args) => awaitBroker(broker.ensureTopics(...args), config),
    offsetRanges: (...args) => awaitBroker(broker.offsetRanges(...args), config),
    publish: (...args) => awaitBroker(broker.publish(...args), config),
    committedOffsets: (...args) => awaitBroker(broker.committedOffsets(...args), config),
  };
}

/** Waits for the promise, at most `timeoutMs`. @throws {Error} with `message`: the time is up */
export async function within<T>(
  timeoutMs: number,
  promise: Promise<T>,
  message: string,
): Promise<T> {
  const { promise: timeout, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(message)), timeoutMs);
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

const LOCKED_HINT =
  'another process has locked its file (DATABASE_URL) for 10 s; try again when it is done';

function isLocked({ cause }: Error): boolean {
  return cause instanceof Error && 'code' in cause && String(cause.code).startsWith('SQLITE_BUSY');
}
