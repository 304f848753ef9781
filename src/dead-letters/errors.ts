import { AllocationError } from '../domain/errors.ts';

/** The operator's choice of dead letters cannot be carried out. The message says how to choose. */
export class SelectionError extends AllocationError {
  override readonly code = 'wrong-selection';
}
