import { AllocationError } from '../domain/errors.ts';

/** An act was refused because the audit topic cannot be written. Nothing was changed. */
export class UnauditedError extends AllocationError {
  override readonly code = 'unaudited';
}
