import type { GroupPosition, LogRecord } from '../../src/service-layer/records.ts';
import type { SimulatedLog } from './simulated-log.ts';

/** What a live reader finds. */
export interface LiveViolation {
  readonly kind: 'apart' | 'torn-live';
  readonly detail: string;
}

/** The command that a record answers. */
interface Place {
  readonly lane: number;
  readonly offset: number;
}

/**
 * Reads along while the history runs, as a `read_committed` consumer does, and hears of each
 * transaction when it is decided.
 *
 * Two rules hold at every moment, and the end of a history may hide that they were broken. All
 * messages of an answer appear at once. The group moves with the answers and never otherwise, so
 * everything below C is answered, and nothing at or above C.
 */
export class LiveReader {
  readonly violations: LiveViolation[] = [];
  readonly #log: SimulatedLog;
  readonly #topics: readonly string[];
  readonly #nextOffsets = new Map<string, number>();
  /** By answer, the number of the look that saw its first message. */
  readonly #seen = new Map<string, number>();
  /** The highest C that each lane has ever had. */
  readonly #answeredBelow = new Map<number, number>();
  readonly #mayMoveBack = new Set<number>();
  #looks = 0;

  /** @param topics the topics in which commands are answered */
  constructor(log: SimulatedLog, topics: readonly string[]) {
    this.#log = log;
    this.#topics = topics;
  }

  /** Checks a decided transaction: its records and its move of the group come in one step. */
  committed(records: readonly LogRecord[], positions: readonly GroupPosition[]): void {
    const places = records.flatMap(placeOf);
    for (const { lane, offset } of places) {
      const from = this.#answeredBelow.get(lane) ?? 0;
      const to = positions.find(({ partition }) => partition === lane)?.nextOffset;
      if (to === undefined)
        this.#report('apart', `${lane}/${offset} is answered, and the group does not move`);
      else if (offset < from)
        this.#report('apart', `${lane}/${offset} is answered, and the group stood at ${from}`);
      else if (offset >= to)
        this.#report('apart', `${lane}/${offset} is answered, and the group moves to ${to} only`);
    }
    for (const { partition, nextOffset } of positions) {
      const before = this.#answeredBelow.get(partition) ?? 0;
      if (nextOffset < before && !this.#mayMoveBack.has(partition))
        this.#report(
          'apart',
          `the group moves back in ${partition}, from ${before} to ${nextOffset}`,
        );
      if (nextOffset >= before) this.#mayMoveBack.delete(partition);
      this.#answeredBelow.set(partition, Math.max(before, nextOffset));
    }
  }

  /** Notes that the group has lost its offsets: what can be proven of them may be less. */
  forgotten(partitions: Iterable<number>): void {
    for (const partition of partitions) this.#mayMoveBack.add(partition);
  }

  /** Reads what has become visible since the last look. */
  look(): void {
    this.#looks += 1;
    for (const topic of this.#topics) {
      for (let partition = 0; partition < this.#log.partitions; partition += 1)
        this.#lookInto(topic, partition);
    }
  }

  #lookInto(topic: string, partition: number): void {
    const key = `${topic}/${partition}`;
    const from = this.#nextOffsets.get(key) ?? 0;
    const end = this.#log.partition(topic, partition).stableEnd;
    if (end <= from) return;
    this.#nextOffsets.set(key, end);
    const numbers = new Map<string, number>();
    for (const { headers } of this.#log.partition(topic, partition).read(from)) {
      const [, answer, number = '1'] =
        /^(.+\/\d+\/\d+)(?:\.(\d+))?$/.exec(String(headers.ce_id ?? '')) ?? [];
      if (answer === undefined) continue;
      const seen = this.#seen.get(answer) ?? this.#looks;
      this.#seen.set(answer, seen);
      if (seen !== this.#looks)
        this.#report('torn-live', `${headers.ce_id} appears after other messages of the answer`);
      const expected = (numbers.get(answer) ?? 0) + 1;
      numbers.set(answer, expected);
      if (Number(number) !== expected)
        this.#report('torn-live', `${headers.ce_id} appears where the ${expected}. message should`);
    }
  }

  #report(kind: LiveViolation['kind'], detail: string): void {
    if (this.violations.length < MOST_VIOLATIONS) this.violations.push({ kind, detail });
  }
}

const MOST_VIOLATIONS = 10;

function placeOf({ headers }: LogRecord): readonly Place[] {
  const id = /\/(\d+)\/(\d+)(?:\.\d+)?$/.exec(String(headers.ce_id ?? ''));
  if (headers.ce_causationid !== undefined && id)
    return [{ lane: Number(id[1]), offset: Number(id[2]) }];
  const {
    'dead-letter-partition': lane,
    'dead-letter-offset': offset,
    'dead-letter-reason': reason,
  } = headers;
  return reason === undefined ? [] : [{ lane: Number(lane), offset: Number(offset) }];
}
