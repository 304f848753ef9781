/** Something that an operator should mend. */
export interface Finding {
  /** What is wrong, and where. */
  readonly problem: string;
  /** What may happen because of that. */
  readonly risk: string;
  /** What to do: a command, or what to set. */
  readonly remedy: string;
}

/** What happened, and from the next sentence on what to do; or that behind a colon. */
const ADVICE =
  /^(?<problem>.+?)(?:\. (?=[A-Z])|: (?=(?:check|keep|leave|name|run|set|start|try|use|write) ))(?<advice>.+)$/s;

/**
 * Makes a finding of an error. The service's own errors say what happened, and then what to do.
 *
 * @param otherwise what to do if the error does not say that
 */
export function findingOf(
  error: unknown,
  { risk, otherwise }: { readonly risk: string; readonly otherwise: string },
): Finding {
  const message = error instanceof Error ? error.message.trim() : String(error);
  const { problem = message, advice = otherwise } = ADVICE.exec(message)?.groups ?? {};
  return { problem, risk, remedy: advice };
}
