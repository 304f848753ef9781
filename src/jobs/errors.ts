import { AllocationError } from '../domain/errors.ts';
import type { JobView } from './job.ts';

/** A job was refused because another one runs. Nothing was done. */
export class JobRunningError extends AllocationError {
  override readonly code = 'job-running';
  readonly running: JobView;

  constructor(running: JobView) {
    super(
      `The job ${running.id} (${running.act} by ${running.by}) runs, and only one runs at once`,
    );
    this.running = running;
  }
}

/** The service closes, so it starts no job. Nothing was done. */
export class NoMoreJobsError extends AllocationError {
  override readonly code = 'no-more-jobs';
}
