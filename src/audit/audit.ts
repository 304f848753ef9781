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
  /** The options that the operator chose. */
  readonly options?: OperatorActed['options'];
}

/** Takes the reports of an act's work. */
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
    const begun = await this.begin(act);
    try {
      const result = await work(begun);
      await begun.end('succeeded');
      return result;
    } catch (error) {
      begun.failed(reasonOf(error));
      await begun.end(signal?.aborted ? 'interrupted' : 'failed');
      throw error;
    }
  }

  /**
   * Records the beginning of an act whose work is not one call. `BegunAct.end` records its end.
   * @throws {UnauditedError} the beginning cannot be recorded, so the work must not start
   */
  async begin({ act, on, options = {} }: Act): Promise<BegunAct> {
    const { by, from } = this.#parts;
    const id = randomUUID();
    const about = { act, by, from, on: summaryOf(on), options };
    await this.#begin(id, { ...about, state: 'begun' });
    return new BegunAct((end) => this.#end(id, { ...about, ...end }));
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

type EndState = Exclude<OperatorActed['state'], 'begun'>;
type End = Pick<OperatorActed, 'state' | 'done' | 'why'>;

/** An act whose beginning is recorded. Collects what its work reports. */
export class BegunAct implements ActReport {
  readonly #record: (end: End) => Promise<void>;
  readonly #done: string[] = [];
  #count = 0;
  #why: string | null = null;

  constructor(record: (end: End) => Promise<void>) {
    this.#record = record;
  }

  done(name: string): void {
    this.#count += 1;
    if (this.#done.length < MAX_NAMED) this.#done.push(name);
  }

  failed(why: string): void {
    this.#why ??= why.slice(0, MAX_WHY_LENGTH).toWellFormed();
  }

  /** Records the end, with what was reported. Never rejects. */
  end(state: EndState): Promise<void> {
    const why = this.#why;
    return this.#record({
      state: state === 'succeeded' && why !== null ? 'failed' : state,
      ...(this.#count > 0 && { done: { count: this.#count, first: this.#done } }),
      ...(why !== null && { why }),
    });
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
