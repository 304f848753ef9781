import type { LaneReport } from '../entrypoints/lane-report.ts';
import type { StatusHistory } from './service-status.ts';

const STEP_MS = 5_000;
/** One hour. */
const MAX_POINTS = 720;

/** Keeps the last hour of this instance in memory: one point every five seconds. */
export class RecentHistory {
  readonly #lanes: () => readonly LaneReport[];
  readonly #points: StatusHistory['points'] = [];
  #counts: ReadonlyMap<number, number> = new Map();
  #countedAtMs = 0;
  #timer: NodeJS.Timeout | undefined;

  /** @param lanes called every five seconds */
  constructor(lanes: () => readonly LaneReport[]) {
    this.#lanes = lanes;
  }

  start(): void {
    this.#countedAtMs = performance.now();
    this.#timer = setInterval(() => this.#look(), STEP_MS);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  get history(): StatusHistory {
    return { stepSeconds: STEP_MS / 1_000, points: this.#points };
  }

  #look(): void {
    const lanes = this.#lanes();
    const counts = new Map(lanes.map(({ partition, decidedCount }) => [partition, decidedCount]));
    const nowMs = performance.now();
    const seconds = (nowMs - this.#countedAtMs) / 1_000;
    const commandsPerSecond = round(countNew(counts, this.#counts) / Math.max(seconds, 0.001));
    this.#counts = counts;
    this.#countedAtMs = nowMs;
    const lags = lanes.flatMap(({ lagSeconds }) => (lagSeconds === null ? [] : [lagSeconds]));
    const lagSeconds = lags.length > 0 ? round(Math.max(...lags)) : null;
    this.#points.push({ at: new Date().toISOString(), commandsPerSecond, lagSeconds });
    if (this.#points.length > MAX_POINTS) this.#points.shift();
  }
}

/** Counts the commands decided since the former counts. A lane that came back counts from 0. */
function countNew(
  counts: ReadonlyMap<number, number>,
  former: ReadonlyMap<number, number>,
): number {
  let sum = 0;
  for (const [partition, count] of counts) {
    const before = former.get(partition) ?? 0;
    sum += count >= before ? count - before : count;
  }
  return sum;
}

/** Rounds to a hundredth. */
function round(value: number): number {
  return Math.round(value * 100) / 100;
}
