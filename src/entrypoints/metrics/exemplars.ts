/**
 * Makes the exemplar of an observation: the trace in which somebody can look the observation up.
 * @param traceId undefined: the observation has no trace, and the former exemplar stays
 */
export function exemplarOf(traceId: string | undefined): Readonly<Record<string, string>> {
  return traceId === undefined ? NONE : { trace_id: traceId };
}

const NONE = {};
