import type { ReceivedRecord } from '../service-layer/records.ts';
import { type Recovery, recover } from '../service-layer/recoverability.ts';
import type { HandlerFailure } from './answer-context.ts';
import { sleepUntilClosing } from './closing-sleep.ts';

/** Records of one delivery that the lane answers together. */
export type Part = readonly ReceivedRecord[];

/** The parts of a delivery that are still to be answered, and how often the first one failed. */
export class DeliveryQueue {
  readonly #parts: Part[];
  readonly #closing: AbortSignal;
  #attempts = 0;
  #failure: HandlerFailure | null = null;

  constructor(records: Part, closing: AbortSignal) {
    this.#parts = [records];
    this.#closing = closing;
  }

  /** The next part to answer. Undefined: every part is answered. */
  get first(): Part | undefined {
    return this.#parts[0];
  }

  /** How many times in a row the first part has failed. */
  get attempts(): number {
    return this.#attempts;
  }

  /** Set when the first part is a command on which a handler failed for good. */
  get failure(): HandlerFailure | null {
    return this.#failure;
  }

  /** Puts what is left of the first part in its place. */
  advance(rest: readonly Part[]): void {
    this.#parts.splice(0, 1, ...rest);
    this.#attempts = 0;
    this.#failure = null;
  }

  /** Notes that the first part failed. @returns what helps against the error */
  fail(error: unknown): Recovery {
    this.#attempts += 1;
    return recover(error, this.#attempts, this.first?.length ?? 0, Math.random());
  }

  /** Prepares the next attempt at the first part. */
  async apply(
    recovery: Exclude<Recovery, { readonly action: 'reopen' }>,
    message: string,
  ): Promise<void> {
    switch (recovery.action) {
      case 'retry':
        return await sleepUntilClosing(recovery.afterMs, this.#closing);
      case 'dead-letter':
        // If the dead letter failed too, the service has a bug. The pause prevents a busy loop.
        if (this.#failure) await sleepUntilClosing(FAULT_RETRY_MS, this.#closing);
        this.#failure = { message, attempts: this.#attempts };
        return;
      case 'isolate':
        return this.#cut((part) => part.map((record) => [record]));
      case 'halve':
        return this.#cut(halvesOf);
      default:
        recovery satisfies never;
    }
  }

  #cut(cut: (part: Part) => readonly Part[]): void {
    this.#parts.splice(0, 1, ...cut(this.first ?? []));
    this.#attempts = 0;
  }
}

function halvesOf(part: Part): readonly Part[] {
  const half = Math.ceil(part.length / 2);
  return [part.slice(0, half), part.slice(half)];
}

const FAULT_RETRY_MS = 5_000;
