import type {
  PastCommands,
  PastCommandWithAnswer,
} from '../adapters/database/replay/past-commands.ts';
import type { Command } from '../domain/commands.ts';
import type { Identity } from '../domain/identity.ts';
import type { PublishedEvent } from '../messages/read-answer.ts';

/** A past command, and what came of it. A silent command was answered with no event. */
export interface OrderedCommand {
  /** `topic/partition` */
  readonly lane: string;
  readonly offset: number;
  /** The timestamp of the command's record; null: the topic no longer holds the record. */
  readonly timestampMs: number | null;
  readonly identity: Identity;
  /** Null: the message cannot be read, or the topic no longer holds it. */
  readonly command: Command | null;
  /** The events that were published for the command; null: none. */
  readonly published: readonly PublishedEvent[] | null;
  /** Whether the command went to the dead letters. */
  readonly isDead: boolean;
  /** Whether a handler has handled the command. The command is no dead letter and no repeat. */
  readonly wasHandled: boolean;
  /** Whether the sequences of its events tell its turn. Otherwise a clock tells its turn. */
  readonly hasSequence: boolean;
}

/** The command at which a lane stands, with what decides its turn. */
export interface NextCommand {
  readonly ordered: OrderedCommand;
  readonly timeMs: number;
  /** The version of each product before the command and after it. */
  readonly versions: readonly {
    readonly sku: string;
    readonly before: number;
    readonly after: number;
  }[];
}

const PAGE_COMMANDS = 200;

/** Walks through the past commands of one lane, a page at a time. */
export class LaneCursor {
  readonly #past: PastCommands;
  readonly #name: string;
  #page: readonly PastCommandWithAnswer[] = [];
  #index = 0;
  #nextOffset = 0;
  #timeMs = 0;
  #head: NextCommand | null = null;

  constructor(past: PastCommands, name: string) {
    this.#past = past;
    this.#name = name;
  }

  /** The command at which the lane stands. Null before the first `advance`, and at the end. */
  get head(): NextCommand | null {
    return this.#head;
  }

  /** Steps to the next command. */
  async advance(): Promise<void> {
    if (this.#index === this.#page.length) {
      this.#page = await this.#past.page(this.#name, this.#nextOffset, PAGE_COMMANDS);
      this.#index = 0;
      this.#nextOffset = (this.#page.at(-1)?.offset ?? 0) + 1;
    }
    const row = this.#page[this.#index];
    this.#index += 1;
    this.#head = row ? this.#headOf(row) : null;
    this.#timeMs = this.#head?.timeMs ?? 0;
  }

  #headOf(row: PastCommandWithAnswer): NextCommand {
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
    // A silent command repeats the creation of a batch, so the batch was created before.
    return {
      ordered,
      timeMs: this.#silentTimeMs(timestampMs ?? 0),
      versions: batch ? [{ sku: batch.sku, before: batch.sequence, after: batch.sequence }] : [],
    };
  }

  /**
   * Estimates when a silent command was handled: when it was sent. The sender's clock may be wrong,
   * so the estimate stays between the times of the lane's neighbours.
   */
  #silentTimeMs(sentMs: number): number {
    const next =
      this.#page.slice(this.#index).find(({ timeMs }) => timeMs !== null)?.timeMs ??
      Number.POSITIVE_INFINITY;
    return Math.max(this.#timeMs, Math.min(sentMs, next));
  }
}

function versionsOf(events: readonly PublishedEvent[]): NextCommand['versions'] {
  const versions = new Map<string, { sku: string; before: number; after: number }>();
  for (const { sequence, data } of events) {
    if (sequence === null || data.sku === undefined) continue;
    const known = versions.get(data.sku);
    if (known) known.after = Math.max(known.after, sequence);
    else versions.set(data.sku, { sku: data.sku, before: sequence - 1, after: sequence });
  }
  return [...versions.values()];
}
