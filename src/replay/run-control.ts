/** How the caller of a replay paces and stops the work. */
export interface RunControl {
  /** Reports how much more is done, in the replay's unit. Resolves when the work may go on. */
  readonly advance: (count: number) => Promise<void>;
  /** Aborts the work, which then rejects with the signal's reason. */
  readonly signal: AbortSignal;
}
