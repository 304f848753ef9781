import type { Logger } from 'pino';

const RETRY_MS = { least: 100, most: 500 };
/**
 * How long the group may be out of reach without a warning. A new Kafka creates the topic of the
 * groups when the first group asks, and a coordinator that moves has to load.
 */
const QUIET_MS = 2_000;

/** Counts and reports the failures of a member, and says how long to wait after each of them. */
export class GroupHealth {
  readonly #groupId: string;
  readonly #log: Logger;
  readonly #patienceMs: number;
  #failures = 0;
  #lastFailure = '';
  #failingSinceMs = 0;
  #hasWarned = false;
  /** When the coordinator last confirmed the membership. */
  #settledAtMs = performance.now();

  /** @param patienceMs how long a member may be without an assignment before it is a problem */
  constructor(groupId: string, log: Logger, patienceMs: number) {
    this.#groupId = groupId;
    this.#log = log;
    this.#patienceMs = patienceMs;
  }

  /** The number of failures since the last recovery. */
  get failures(): number {
    return this.#failures;
  }

  /** Says why the member has no assignment, once that lasts longer than the patience; else null. */
  problem(): string | null {
    const forMs = performance.now() - this.#settledAtMs;
    if (forMs < this.#patienceMs) return null;
    const seconds = Math.round(forMs / 1_000);
    const reason = this.#lastFailure || 'the group is rebalancing';
    return (
      `This member of the group ${this.#groupId} has waited ${seconds} s for its assignment: ` +
      reason
    );
  }

  /** Counts a failure. @returns how long to wait, which grows up to a limit */
  nextBackoffMs(): number {
    this.#failures += 1;
    return (
      Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** Math.min(this.#failures - 1, 4)) *
      (0.5 + Math.random() / 2)
    );
  }

  /** Warns once when failures have lasted for two seconds. Logs the others for debugging. */
  noteFailure(message: string): void {
    const nowMs = performance.now();
    if (this.#lastFailure === '') this.#failingSinceMs = nowMs;
    this.#lastFailure = message;
    const isDue = !this.#hasWarned && nowMs - this.#failingSinceMs >= QUIET_MS;
    if (isDue) this.#hasWarned = true;
    const level = isDue ? 'warn' : 'debug';
    this.#log[level](`The group ${this.#groupId} cannot be reached. Trying again: ${message}`);
  }

  noteRecovery(): void {
    this.#settledAtMs = performance.now();
    this.#failures = 0;
    if (this.#hasWarned) this.#log.info(`The group ${this.#groupId} can be reached again`);
    this.#hasWarned = false;
    this.#lastFailure = '';
  }
}
