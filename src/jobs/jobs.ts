import { setTimeout as sleep } from 'node:timers/promises';
import { JobRunningError, NoMoreJobsError } from './errors.ts';
import { Job, type JobView, type JobWork } from './job.ts';

/** How many jobs that have ended are kept, for operators who ask later. */
const MAX_ENDED_JOBS = 50;
/** How long `close` waits for a job to reach a safe point. The broker may not answer. */
const END_TIMEOUT_MS = 15_000;

/**
 * Runs the long acts of operators, one at a time, and tells how far they are.
 *
 * A job lives in the memory of its process: another instance does not know it, and the end of the
 * process ends it. So the work of a job must leave nothing half done that a repeat does not mend.
 */
export class Jobs {
  /** By id, the oldest first. */
  readonly #jobs = new Map<string, Job>();
  #isClosing = false;

  /**
   * Starts a job. It runs on after this call.
   *
   * @param act what it does, in the words of the audit
   * @param by who starts it
   * @throws {JobRunningError} another job runs
   * @throws {NoMoreJobsError} the service closes
   */
  start(act: string, by: string, work: JobWork): JobView {
    if (this.#isClosing) throw new NoMoreJobsError('The service closes, and starts no job');
    const { running } = this;
    if (running) throw new JobRunningError(running);
    const job = new Job(act, by, work);
    const { view } = job;
    this.#jobs.set(view.id, job);
    for (const id of this.#jobs.keys()) {
      if (this.#jobs.size <= MAX_ENDED_JOBS + 1) break;
      this.#jobs.delete(id);
    }
    return view;
  }

  /** The job that runs. Null: none does. */
  get running(): JobView | null {
    return this.#runningJob?.view ?? null;
  }

  /** Null: there is no such job, or 50 others have ended since. */
  find(id: string): JobView | null {
    return this.#jobs.get(id)?.view ?? null;
  }

  /**
   * Lets a job end at its next safe point. A job that has ended stays as it is.
   * @param by who wants that
   * @returns null: there is no such job
   */
  cancel(id: string, by: string): JobView | null {
    this.#jobs.get(id)?.cancel(`Cancelled by ${by}`);
    return this.find(id);
  }

  /** Ends the running job at its next safe point, in bounded time, and starts no more. */
  async close(): Promise<void> {
    this.#isClosing = true;
    const job = this.#runningJob;
    if (!job) return;
    job.cancel('Cancelled, because the service closes');
    await Promise.race([job.ended, sleep(END_TIMEOUT_MS, undefined, { ref: false })]);
  }

  get #runningJob(): Job | null {
    const newest = [...this.#jobs.values()].at(-1);
    return newest?.view.state === 'running' ? newest : null;
  }
}
