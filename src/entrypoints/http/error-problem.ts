import { UnauditedError } from '../../audit/errors.ts';
import { TroubleError } from '../../service-layer/errors.ts';
import { PROBLEMS, type Problem } from './problem.ts';

/**
 * Returns the problem for an error. Null: the error is a fault of the service.
 * @param maxJsonBytes the largest body of a route that takes JSON; null: the route takes none
 */
export function problemOf(
  error: Error & { readonly statusCode?: number },
  maxJsonBytes: number | null = null,
): Problem | null {
  if (error instanceof TroubleError || error instanceof UnauditedError)
    return PROBLEMS.trouble(error.message);
  const status = error.statusCode ?? 500;
  if (status === 413)
    return maxJsonBytes === null ? PROBLEMS.largeCommand() : PROBLEMS.largeBody(maxJsonBytes);
  if (status === 415) return PROBLEMS.unknownContentType();
  return status < 500 ? PROBLEMS.invalidRequest(status, error.message) : null;
}
