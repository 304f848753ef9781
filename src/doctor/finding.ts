/** Something that an operator should mend. */
export interface Finding {
  /** What is wrong, and where. */
  readonly problem: string;
  /** What the problem may lead to. */
  readonly risk: string;
  /** What to do: a command, or what to set. */
  readonly remedy: string;
}

/** Splits a message. The advice follows the first sentence, or a colon before one of the verbs. */
const ADVICE =
  /^(?<problem>.+?)(?:\. (?=[A-Z])|: (?=(?:check|keep|leave|name|run|set|start|try|use|write) ))(?<advice>.+)$/s;

/**
 * Makes a finding of an error. The service's own errors say first what happened, then what to do.
 *
 * @param advice `otherwise`: what to do if the error gives no advice
 */
export function findingOf(
  error: unknown,
  { risk, otherwise }: { readonly risk: string; readonly otherwise: string },
): Finding {
  const message = error instanceof Error ? error.message.trim() : String(error);
  const { problem = message, advice = otherwise } = ADVICE.exec(message)?.groups ?? {};
  return { problem, risk, remedy: advice };
}
