import { contextOf } from './trace-context.ts';

/**
 * Returns the trace id that a message names, for log lines and exemplars. Tracing may be off.
 *
 * @param traceparent the message's header `traceparent`
 * @returns undefined: the header is absent or not valid
 */
export function traceIdOf(traceparent: unknown): string | undefined {
  return contextOf({ traceparent })?.traceId;
}
