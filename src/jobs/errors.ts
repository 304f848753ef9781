import { AllocationError } from '../domain/errors.ts';
import type { JobView } from './job.ts';

/** A job was refused because another job is running. Nothing was done. */
export class JobRunningError extends AllocationError {
  override readonly code = 'job-running';
  readonly running: JobView;

  constructor(running: JobView) {
    super(
      `The job ${running.id} (${running.act} by ${running.by}) is running, ` +
        'and only one job runs at a time: wait for its end, or cancel it',
    );
    this.running = running;
  }
}

/** The service is closing, so it starts no more jobs. Nothing was done. */
export class NoMoreJobsError extends AllocationError {
  override readonly code = 'no-more-jobs';
}
