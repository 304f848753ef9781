import { AllocationError } from '../domain/errors.ts';
import type { JobView } from './job.ts';

/** A job was refused because another job is running. Nothing was done. */
export class JobRunningError extends AllocationError {
  override readonly code = 'job-running';
  readonly running: JobView;

  constructor(running: JobView) {
    super(describeRunning(running));
    this.running = running;
  }
}

/** Says which job is running, and what to do. */
export function describeRunning({ id, act, by }: Pick<JobView, 'id' | 'act' | 'by'>): string {
  return (
    `The job ${id} (${act} by ${by}) is running, and only one job runs at a time: ` +
    'wait for its end, or cancel it'
  );
}

/** The service is closing, so it starts no more jobs. Nothing was done. */
export class NoMoreJobsError extends AllocationError {
  override readonly code = 'no-more-jobs';
}
