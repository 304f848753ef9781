import { randomUUID } from 'node:crypto';

/** `cancelled`: an operator or the closing service has ended the job early. */
type JobState = 'running' | 'done' | 'failed' | 'cancelled';

/** What an operator sees of a job. */
export interface JobView {
  readonly id: string;
  /** What the job does, in the words of the audit. */
  readonly act: string;
  /** Who has started the job. */
  readonly by: string;
  /** ISO 8601. */
  readonly startedAt: string;
  /** ISO 8601. Null: the job runs. */
  readonly endedAt: string | null;
  readonly state: JobState;
  /** How many things are done. */
  readonly done: number;
  /** How many things there are to do. Null: nobody knows yet. */
  readonly total: number | null;
  /** What the job does now, or how it has ended: one sentence. */
  readonly message: string;
  /** What the job has found or done. Null: nothing yet, or the job was ended before its end. */
  readonly result: object | null;
}

/** Lets the work of a job report its progress, and learn when to end. */
export interface JobControl {
  /** Aborts when the job must end. The work ends at its next safe point, and throws. */
  readonly signal: AbortSignal;
  /** Notes that `count` more things are done. */
  advance(count: number): void;
  /** Notes how many things there are to do. */
  expect(total: number): void;
  /** Says in one sentence what the job does now. */
  say(message: string): void;
  /** Shows what the job has found so far. JSON must be able to carry the result. */
  show(result: object): void;
}

/** Does the work of a job. @returns the result of the job, which JSON must be able to carry */
export type JobWork = (control: JobControl) => Promise<object>;

/** One job. Its work begins in the constructor. */
export class Job implements JobControl {
  readonly #id = randomUUID();
  readonly #act: string;
  readonly #by: string;
  readonly #startedAt = new Date();
  readonly #ending = new AbortController();
  #endedAt: Date | null = null;
  #state: JobState = 'running';
  #done = 0;
  #total: number | null = null;
  #message = 'The job has begun.';
  #result: object | null = null;
  /** Resolves when the job has ended. */
  readonly ended: Promise<void>;

  constructor(act: string, by: string, work: JobWork) {
    this.#act = act;
    this.#by = by;
    this.ended = this.#run(work);
  }

  get signal(): AbortSignal {
    return this.#ending.signal;
  }

  advance(count: number): void {
    this.#done += count;
  }

  expect(total: number): void {
    this.#total = total;
  }

  say(message: string): void {
    this.#message = message;
  }

  show(result: object): void {
    this.#result = result;
  }

  /** Makes the job end at its next safe point. @param why one sentence */
  cancel(why: string): void {
    this.#ending.abort(new Error(why));
  }

  get view(): JobView {
    return {
      id: this.#id,
      act: this.#act,
      by: this.#by,
      startedAt: this.#startedAt.toISOString(),
      endedAt: this.#endedAt?.toISOString() ?? null,
      state: this.#state,
      done: this.#done,
      total: this.#total,
      message: this.#message,
      result: this.#result,
    };
  }

  /** Never rejects: `view` shows how the work has ended. */
  async #run(work: JobWork): Promise<void> {
    try {
      this.#result = await work(this);
      this.#state = 'done';
    } catch (error) {
      const { aborted } = this.#ending.signal;
      this.#state = aborted ? 'cancelled' : 'failed';
      this.#message = error instanceof Error ? error.message || error.name : String(error);
    }
    this.#endedAt = new Date();
  }
}
