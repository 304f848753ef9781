import { AllocationError } from './domain/errors.ts';

/** A setting is not valid. The message names the variable and its valid values. */
export class ConfigError extends AllocationError {
  override readonly code = 'config';
}
