import { AllocationError } from '../domain/errors.ts';

/** A replay refuses to run. The message says why and what to do. Nothing was changed. */
export class ReplayRefusedError extends AllocationError {
  override readonly code = 'replay-refused';
}
