import { AllocationError } from '../../domain/errors.ts';

/** The API cannot listen on its address, or its doors cannot be set up. */
export class ListenError extends AllocationError {
  override readonly code = 'listen';
}
