import type { Broker } from '../../service-layer/broker.ts';
import type { Query } from '../../views/query.ts';

const TIMEOUT_MS = 3_000;

export interface ReadinessOptions {
  readonly broker: Broker;
  readonly commandsTopic: string;
  readonly query: Query;
  /** What keeps the service from answering commands. Empty: nothing does. */
  readonly problems: () => readonly string[];
}

/**
 * Says why the service is not ready, one sentence each. The time is bounded: a database or a log
 * that hangs counts as one that cannot be reached.
 */
export async function readinessProblems(options: ReadinessOptions): Promise<readonly string[]> {
  const { query, broker, commandsTopic, problems } = options;
  const checks = await Promise.all([
    problemsWith('The database', query('select 1')),
    problemsWith('The log', broker.logId(commandsTopic)),
  ]);
  // While the service waits for the database, the check and `problems` say the same sentence.
  return [...new Set([...checks.flat(), ...problems()])];
}

async function problemsWith(name: string, answer: Promise<unknown>): Promise<readonly string[]> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new Error(`no answer within ${TIMEOUT_MS / 1_000} s`)),
    TIMEOUT_MS,
  );
  try {
    await Promise.race([answer, late]);
    return [];
  } catch (error) {
    const { message } = error as Error;
    return [message.startsWith(name) ? message : `${name} cannot be reached: ${message}`];
  } finally {
    clearTimeout(timer);
  }
}
