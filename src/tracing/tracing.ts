import type { Tracer } from '@opentelemetry/api';

/** Makes the spans of the service, and exports them. */
export interface Tracing {
  readonly tracer: Tracer;
  /** The system that the messages go through, in the words of the semantic conventions. */
  readonly messagingSystem: 'kafka' | 'allocation';
  /** Exports the spans that have ended, in bounded time, and makes no more. */
  stop(): Promise<void>;
}
