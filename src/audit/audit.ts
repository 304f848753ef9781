import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import { type ActName, encodeAct, type OperatorActed } from '../messages/operator-acts.ts';
import { UnauditedError } from './errors.ts';
import type { AuditWriter } from './topic-writer.ts';

/** How many things a record names at most. Its count includes the others. */
const MAX_NAMED = 100;
/** Leaves room for the rest of the record, because an error may quote a whole message. */
const MAX_WHY_LENGTH = 1_000;

interface AuditParts {
  readonly by: string;
  readonly from: OperatorActed['from'];
  readonly log: Pick<Logger, 'info' | 'error'>;
  /** Null: AUDIT_TOPIC is not set, so only the log has the acts. */
  readonly write: AuditWriter | null;
}

/** What an operator, or the service itself, does to letters, lanes, a topic or a database. */
export interface Act {
  readonly act: ActName;
  /** Names what the act is about. */
  readonly on: readonly string[];
  /** How the operator wants it done. */
  readonly options?: OperatorActed['options'];
}

/** Takes what the work of an act reports. */
export interface ActReport {
  /** One more thing is done. */
  done(name: string): void;
  /** The act has failed, although its work resolves. The first reason counts. */
  failed(why: string): void;
}

/** Records the beginning and the end of each act, in the log and in the audit topic. */
export class Audit {
  readonly #parts: AuditParts;

  constructor(parts: AuditParts) {
    this.#parts = parts;
  }

  /**
   * Records the beginning of an act, does its work, and records its end. If the end cannot be
   * recorded, the log says so, and the act stands.
   *
   * @param signal once this signal has aborted, an error of the work counts as an interruption
   * @throws {UnauditedError} the beginning cannot be recorded, and the work was not started
   * @throws what the work throws
   */
  async carryOut<T>(
    act: Act,
    work: (report: ActReport) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> {
    const { by, from } = this.#parts;
    const { act: name, on, options = {} } = act;
    const id = randomUUID();
    const about = { act: name, by, from, on: summaryOf(on), options };
    await this.#begin(id, { ...about, state: 'begun' });
    const outcome = new Outcome();
    try {
      const result = await work(outcome);
      await this.#end(id, { ...about, ...outcome.asData('succeeded') });
      return result;
    } catch (error) {
      outcome.failed(reasonOf(error));
      const state = signal?.aborted ? 'interrupted' : 'failed';
      await this.#end(id, { ...about, ...outcome.asData(state) });
      throw error;
    }
  }

  async #begin(id: string, data: OperatorActed): Promise<void> {
    try {
      await this.#write(id, data);
    } catch (error) {
      throw new UnauditedError(
        'Nothing was done, because the audit topic (AUDIT_TOPIC) cannot be written. ' +
          reasonOf(error),
        { cause: error },
      );
    }
  }

  async #end(id: string, data: OperatorActed): Promise<void> {
    try {
      await this.#write(id, data);
    } catch (error) {
      this.#parts.log.error(
        { audit: { id, ...data } },
        `Audit: AUDIT_TOPIC did not take the end of ${describe(data)}. The act stands. ` +
          reasonOf(error),
      );
    }
  }

  async #write(id: string, data: OperatorActed): Promise<void> {
    await this.#parts.write?.(encodeAct(id, data, new Date().toISOString()));
    this.#parts.log.info({ audit: { id, ...data } }, `Audit: ${describe(data)}`);
  }
}

/** Collects what the work of an act reports. */
class Outcome implements ActReport {
  readonly #done: string[] = [];
  #count = 0;
  #why: string | null = null;

  done(name: string): void {
    this.#count += 1;
    if (this.#done.length < MAX_NAMED) this.#done.push(name);
  }

  failed(why: string): void {
    this.#why ??= why.slice(0, MAX_WHY_LENGTH).toWellFormed();
  }

  asData(
    end: Exclude<OperatorActed['state'], 'begun'>,
  ): Pick<OperatorActed, 'state' | 'done' | 'why'> {
    const why = this.#why;
    return {
      state: end === 'succeeded' && why !== null ? 'failed' : end,
      ...(this.#count > 0 && { done: { count: this.#count, first: this.#done } }),
      ...(why !== null && { why }),
    };
  }
}

function summaryOf(names: readonly string[]): OperatorActed['on'] {
  return { count: names.length, first: names.slice(0, MAX_NAMED) };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

function describe({ act, by, state }: OperatorActed): string {
  return `${act} by ${by}: ${state}`;
}
