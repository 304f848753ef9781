import { setTimeout as sleep } from 'node:timers/promises';
import { JobRunningError, NoMoreJobsError } from './errors.ts';
import { Job, type JobView, type JobWork } from './job.ts';

/** How many jobs that have ended are kept, for operators who ask later. */
const MAX_ENDED_JOBS = 50;
/** How long `close` waits for a job's safe point. A statement or the broker may be slow. */
const END_TIMEOUT_MS = 5_000;

/**
 * Runs the long acts of operators, one at a time, and tells how far they are.
 *
 * A job lives in the memory of its process: another instance does not know the job, and the end of
 * the process ends it. So a repeat must mend whatever an ended job leaves half done.
 */
export class Jobs {
  /** By id, the oldest first. */
  readonly #jobs = new Map<string, Job>();
  #isClosing = false;

  /**
   * Starts a job. It runs on after this call.
   *
   * @param act what the job does, in the words of the audit
   * @param by who starts the job
   * @throws {JobRunningError} another job runs
   * @throws {NoMoreJobsError} the service closes
   */
  start(act: string, by: string, work: JobWork): JobView {
    if (this.#isClosing)
      throw new NoMoreJobsError('The service is closing. Start the job again after its restart');
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

  /** The job that runs. Null: no job runs. */
  get running(): JobView | null {
    return this.#runningJob?.view ?? null;
  }

  /** Finds a job. Null: there is no such job, or 50 others have ended since. */
  find(id: string): JobView | null {
    return this.#jobs.get(id)?.view ?? null;
  }

  /**
   * Makes a job end at its next safe point. A job that has ended stays as it is.
   *
   * @param by who cancels the job
   * @returns null: there is no such job
   */
  cancel(id: string, by: string): JobView | null {
    this.#jobs.get(id)?.cancel(`Cancelled by ${by}`);
    return this.find(id);
  }

  /** Starts no more jobs, and ends the running job at its next safe point, in bounded time. */
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
