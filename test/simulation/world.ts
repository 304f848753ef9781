import { AsyncLocalStorage } from 'node:async_hooks';
import { createRequire, syncBuiltinESMExports } from 'node:module';
import { TroubleError } from '../../src/service-layer/errors.ts';

/** The probability of each fault, per request. */
interface FaultRates {
  readonly requestLost: number;
  readonly answerLost: number;
  readonly slow: number;
}

/**
 * A simulated process. A dead one does nothing any more. A frozen one does nothing until it is
 * woken, and then goes on where it was.
 */
export class Machine {
  readonly name: string;
  isDead = false;
  isFrozen = false;
  /** How far the machine's clock is wrong. */
  clockOffsetMs = 0;
  readonly #held: (() => void)[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Runs `what` in this machine: now, when the machine wakes up, or, in a dead one, never. */
  hears(what: () => void): void {
    if (this.isDead) return;
    if (this.isFrozen) this.#held.push(what);
    else {
      isAnyoneBusy = true;
      machines.run(this, what);
    }
  }

  wake(): void {
    this.isFrozen = false;
    for (const what of this.#held.splice(0)) this.hears(what);
  }
}

const machines = new AsyncLocalStorage<Machine>();
/** Whether any machine's code has run, and may go on, since the code was last waited for. */
let isAnyoneBusy = false;

/** Returns the machine whose code is running. */
export function currentMachine(): Machine | undefined {
  return machines.getStore();
}

interface Happening {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** What becomes of a message, and of its answer. */
interface Journey {
  readonly thereMs: number;
  readonly isLost: boolean;
  readonly isAnswerLost: boolean;
  readonly backMs: number;
}

const NO_FAULTS: FaultRates = { requestLost: 0, answerLost: 0, slow: 0 };
const LONGEST_DELAY_MS = 5;
const SLOW_MS = 3_000;
/** How long a machine waits for an answer, at most, before it takes the request for lost. */
const LONGEST_TIMEOUT_MS = 1_000;

/**
 * Time, chance and order of one history. The happening that is due first comes next, and a seed
 * decides when each one is due. Between two happenings the code runs until it waits for something.
 * So a history is the same each time.
 */
export class World {
  nowMs = Date.UTC(2026, 0, 1);
  /** Whether requests get lost, and slow. */
  isTroubled = false;
  readonly #tell: ((text: string) => void) | undefined;
  readonly #random: () => number;
  readonly #queue: Happening[] = [];
  readonly #rates = new Map<string, FaultRates>();

  /** @param tell hears everything that happens, for a person who reads the history */
  constructor(seed: number, tell?: (text: string) => void) {
    this.#random = randomOf(seed);
    this.#tell = tell;
  }

  trace(...words: readonly unknown[]): void {
    this.#tell?.([String(this.nowMs - Date.UTC(2026, 0, 1)).padStart(7), ...words].join(' '));
  }

  random(): number {
    return this.#random();
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  /** A whole number from `from` up to `to`, both included. */
  between(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.#random() * from.length)] as T;
  }

  after(ms: number, run: () => void): void {
    const happening = { atMs: this.nowMs + ms, order: this.#random(), run };
    let [from, to] = [0, this.#queue.length];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (isLater(this.#queue[middle] as Happening, happening)) to = middle;
      else from = middle + 1;
    }
    this.#queue.splice(from, 0, happening);
  }

  /** Lets things happen until `isOver`, or nothing happens any more, or the time is up. */
  async run(isOver: () => boolean, withinMs: number): Promise<boolean> {
    const endMs = this.nowMs + withinMs;
    await settled();
    while (!isOver()) {
      const next = this.#queue[0];
      if (!next || next.atMs > endMs) {
        this.nowMs = endMs;
        return false;
      }
      this.#queue.shift();
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
      if (isAnyoneBusy) await settled();
      isAnyoneBusy = false;
    }
    return true;
  }

  /**
   * Sends a machine's request to a server. The request travels, is dealt with at once, and the
   * answer travels back. Either may be lost. Then the machine hears of trouble, and does not know
   * which of them was lost.
   */
  request<T>(machine: Machine, what: string, effect: () => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    if (machine.isDead) return promise;
    if (machine.isFrozen) {
      // A machine that stalls between two steps has not sent the next one.
      machine.hears(() => void this.request(machine, what, effect).then(resolve, reject));
      return promise;
    }
    const rates = this.isTroubled ? this.#ratesOf(what) : NO_FAULTS;
    const isLost = this.chance(rates.requestLost);
    const isAnswerLost = this.chance(rates.answerLost);
    this.after(this.#delayMs(rates), () => {
      const outcome = isLost
        ? { error: new TroubleError(`${what}: the request was lost`) }
        : attempt(effect);
      const told = isAnswerLost
        ? { error: new TroubleError(`${what}: the answer was lost`) }
        : outcome;
      this.trace(
        machine.name,
        what,
        isLost ? 'LOST' : '',
        isAnswerLost ? 'ANSWER LOST' : '',
        'error' in outcome ? outcome.error : '',
      );
      const toldAfterMs =
        isLost || isAnswerLost ? this.#random() * LONGEST_TIMEOUT_MS : this.#delayMs(rates);
      this.after(toldAfterMs, () =>
        machine.hears(() => ('error' in told ? reject(told.error) : resolve(told.value))),
      );
    });
    return promise;
  }

  /** Draws what becomes of a message and of its answer on their way. */
  journey(what: string): Journey {
    const rates = this.isTroubled ? this.#ratesOf(what) : NO_FAULTS;
    return {
      thereMs: this.#delayMs(rates),
      isLost: this.chance(rates.requestLost),
      isAnswerLost: this.chance(rates.answerLost),
      backMs: this.#delayMs(rates),
    };
  }

  #delayMs({ slow }: FaultRates): number {
    return this.#random() * (this.chance(slow) ? SLOW_MS : LONGEST_DELAY_MS);
  }

  /**
   * In each history most kinds of request hardly ever fail, and a few fail often. So some histories
   * come to where only two rare things together lead (swarm testing, Groce and others 2012). The
   * kind is the first word.
   */
  #ratesOf(what: string): FaultRates {
    const kind = what.split(' ', 1)[0] as string;
    const rates = this.#rates.get(kind) ?? {
      requestLost: this.#drawRate(),
      answerLost: this.#drawRate(),
      slow: this.#drawRate(),
    };
    this.#rates.set(kind, rates);
    return rates;
  }

  #drawRate(): number {
    return this.random() * (this.chance(0.05) ? 0.4 : 0.01);
  }
}

function isLater(one: Happening, other: Happening): boolean {
  return one.atMs === other.atMs ? one.order > other.order : one.atMs > other.atMs;
}

function attempt<T>(effect: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: effect() };
  } catch (error) {
    return { error };
  }
}

/** Resolves when all code waits for something. */
const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));

/** mulberry32: small, and good enough to decide who comes first. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

let current: World | null = null;

/**
 * Gives the process the time, sleeps, turns and jitter of this world. The process must do nothing
 * but simulate.
 */
export function inhabit(world: World): void {
  if (!current) replaceTimers();
  current = world;
}

function replaceTimers(): void {
  const timers = createRequire(import.meta.url)('node:timers/promises');
  timers.setTimeout = (ms: number, value: unknown, { signal }: { signal?: AbortSignal } = {}) =>
    new Promise((resolve, reject) => {
      const machine = machines.getStore();
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      current?.after(ms, () => machine?.hears(() => resolve(value)));
    });
  timers.setImmediate = (value: unknown) => timers.setTimeout(0, value);
  syncBuiltinESMExports();
  performance.now = () => current?.nowMs ?? 0;
  const pending = new Set<object>();
  globalThis.setTimeout = ((run: () => void, ms = 0) => {
    const timer = {};
    const machine = machines.getStore();
    pending.add(timer);
    current?.after(
      ms,
      () => pending.has(timer) && machine?.hears(() => pending.delete(timer) && run()),
    );
    return timer;
  }) as never;
  globalThis.setInterval = ((run: () => void, ms = 0) => {
    const timer = {};
    const machine = machines.getStore();
    pending.add(timer);
    const again = () =>
      current?.after(
        ms,
        () => pending.has(timer) && machine?.hears(() => pending.has(timer) && [run(), again()]),
      );
    again();
    return timer;
  }) as never;
  globalThis.clearInterval = (timer) => void pending.delete(timer as object);
  globalThis.clearTimeout = (timer) => void pending.delete(timer as object);
  Date.now = () => current?.nowMs ?? 0;
  Math.random = () => current?.random() ?? 0;
}
