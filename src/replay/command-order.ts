import type { AnsweredCommand, PastCommands } from '../adapters/database/replay/past-commands.ts';
import type { Command } from '../domain/commands.ts';
import type { Identity } from '../domain/identity.ts';
import type { PublishedEvent } from '../messages/published.ts';

/** A past command in its turn. */
export interface OrderedCommand {
  readonly lane: string;
  readonly offset: number;
  /** Of the command's record; null: the topic does not hold it any more. */
  readonly timestampMs: number | null;
  readonly identity: Identity;
  /** Null: it cannot be read, or is not there any more. */
  readonly command: Command | null;
  /** What was published for it; null: nothing. */
  readonly published: readonly PublishedEvent[] | null;
  readonly isDead: boolean;
  /** It was answered, or silently accepted: neither a dead letter nor a repeat. */
  readonly wasHandled: boolean;
  /** Its turn follows from sequences; else from the clock. */
  readonly hasSequence: boolean;
}

interface Head {
  readonly ordered: OrderedCommand;
  readonly timeMs: number;
  /** Each product's version before it, and after it. */
  readonly versions: readonly {
    readonly sku: string;
    readonly before: number;
    readonly after: number;
  }[];
}

const PAGE_COMMANDS = 200;

/**
 * The order in which past commands of several lanes were handled, as far as what was published tells: those of a lane in its order; those that
 * changed a product in the order of its sequence; what changed nothing, by the time of its answer among the others. It asks the published
 * events alone, so the order does not depend on what handling the commands again would make of them.
 *
 * Where no command is next by the sequences (events are missing), the earliest is.
 */
export class CommandOrder {
  readonly #past: PastCommands;
  readonly #lanes: readonly string[];
  readonly #versions = new Map<string, number>();
  /** The first that came out of turn: `topic/partition/offset`. */
  readonly outOfTurn: string[] = [];
  #outOfTurnCount = 0;

  constructor(past: PastCommands, lanes: readonly string[]) {
    this.#past = past;
    this.#lanes = lanes;
  }

  /** How many commands were taken without being next by the sequences. */
  get outOfTurnCount(): number {
    return this.#outOfTurnCount;
  }

  async *commands(): AsyncGenerator<OrderedCommand> {
    const lanes = this.#lanes.map((lane) => new Lane(this.#past, lane));
    for (const lane of lanes) await lane.advance();
    let last: Lane | null = null;
    for (;;) {
      const waiting = lanes.filter(({ head }) => head !== null);
      if (waiting.length === 0) return;
      const ready = waiting.filter(({ head }) => head && this.#isNext(head));
      const lane: Lane | null = earliest(ready.length > 0 ? ready : waiting, last);
      if (!lane?.head) return;
      const { ordered, versions } = lane.head;
      if (ready.length === 0) this.#note(ordered);
      for (const { sku, after } of versions)
        this.#versions.set(sku, Math.max(after, this.#versions.get(sku) ?? 0));
      last = lane;
      await lane.advance();
      yield ordered;
    }
  }

  #isNext({ versions }: Head): boolean {
    return versions.every(({ sku, before }) => (this.#versions.get(sku) ?? 0) >= before);
  }

  #note({ lane, offset }: OrderedCommand): void {
    this.#outOfTurnCount += 1;
    if (this.outOfTurn.length < OUT_OF_TURN_NAMED) this.outOfTurn.push(`${lane}/${offset}`);
  }
}

const OUT_OF_TURN_NAMED = 3;

/** At the same time the lane goes on that was at work: one transaction's answers have one time. */
function earliest(lanes: readonly Lane[], last: Lane | null): Lane | null {
  const timeOf = (lane: Lane | null) => lane?.head?.timeMs ?? Number.POSITIVE_INFINITY;
  return lanes.reduce<Lane | null>((best, lane) => {
    if (timeOf(lane) < timeOf(best)) return lane;
    return lane === last && timeOf(lane) === timeOf(best) ? lane : best;
  }, null);
}

/** One lane's commands, a page at a time. */
class Lane {
  readonly #past: PastCommands;
  readonly #name: string;
  #page: readonly AnsweredCommand[] = [];
  #index = 0;
  #nextOffset = 0;
  #timeMs = 0;
  head: Head | null = null;

  constructor(past: PastCommands, name: string) {
    this.#past = past;
    this.#name = name;
  }

  async advance(): Promise<void> {
    if (this.#index === this.#page.length) {
      this.#page = await this.#past.page(this.#name, this.#nextOffset, PAGE_COMMANDS);
      this.#index = 0;
      this.#nextOffset = (this.#page.at(-1)?.offset ?? 0) + 1;
    }
    const row = this.#page[this.#index];
    this.#index += 1;
    this.head = row ? this.#headOf(row) : null;
    this.#timeMs = this.head?.timeMs ?? 0;
  }

  #headOf(row: AnsweredCommand): Head {
    const { lane, offset, timestampMs, identity, batch } = row;
    const command: Command | null = row.command === null ? null : JSON.parse(row.command);
    const published: PublishedEvent[] | null =
      row.timeMs === null ? null : row.answer.flatMap((events) => JSON.parse(events));
    const isDead = published === null && (row.isDead || command === null);
    const wasHandled = published !== null || !(isDead || row.isAnsweredAnywhere);
    const changed = versionsOf(published ?? []);
    const ordered = {
      lane,
      offset,
      timestampMs,
      identity,
      command,
      published,
      isDead,
      wasHandled,
      hasSequence: changed.length > 0,
    };
    if (published !== null) return { ordered, timeMs: row.timeMs ?? 0, versions: changed };
    if (!wasHandled) return { ordered, timeMs: this.#timeMs, versions: [] };
    // Nobody said when: a batch that was there already had been created.
    return {
      ordered,
      timeMs: this.#silentTime(timestampMs ?? 0),
      versions: batch ? [{ sku: batch.sku, before: batch.sequence, after: batch.sequence }] : [],
    };
  }

  /** Not before it was sent, but the sender's clock may be wrong: between its neighbours. */
  #silentTime(sentMs: number): number {
    const next =
      this.#page.slice(this.#index).find(({ timeMs }) => timeMs !== null)?.timeMs ??
      Number.POSITIVE_INFINITY;
    return Math.max(this.#timeMs, Math.min(sentMs, next));
  }
}

function versionsOf(events: readonly PublishedEvent[]): Head['versions'] {
  const versions = new Map<string, { sku: string; before: number; after: number }>();
  for (const { sequence, data } of events) {
    if (sequence === null || data.sku === undefined) continue;
    const known = versions.get(data.sku);
    if (known) known.after = Math.max(known.after, sequence);
    else versions.set(data.sku, { sku: data.sku, before: sequence - 1, after: sequence });
  }
  return [...versions.values()];
}
