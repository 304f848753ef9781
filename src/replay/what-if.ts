import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, type Session } from '../adapters/database/database.ts';
import { EventFold } from '../adapters/database/event-fold.ts';
import { PastCommands } from '../adapters/database/past-commands.ts';
import type { Command } from '../domain/commands.ts';
import { MessageBus } from '../service-layer/message-bus.ts';
import { type Broker, TroubleError } from '../service-layer/unit-of-work.ts';
import { CommandOrder, type OrderedCommand } from './command-order.ts';
import { ReplayRefusedError } from './errors.ts';
import { foldedEvents } from './folded-events.ts';
import { compareOutcomes, type Failure, type Outcome, type OutcomeDifference, outcomeOf, skusIn } from './outcomes.ts';
import { isBefore } from './place.ts';
import { readPast } from './read-past.ts';
import type { Watch } from './rebuild.ts';
import type { WhatIfPlan } from './what-if-plan.ts';

/** A command whose outcome is another one now. */
export interface CommandDifference extends OutcomeDifference {
  readonly id: string;
  readonly type: Command['type'];
  /** `topic/partition/offset` */
  readonly place: string;
  /** `time`: it changed no product, so its place among the commands of other partitions is by the clock, and may be a little off. */
  readonly placedBy: 'sequence' | 'time';
}

/** Of which commands the outcome is compared; all are handled. */
export interface Asked {
  readonly type: Command['type'] | null;
  readonly sku: string | null;
}

export interface WhatIfReport {
  /** Commands whose events made the state that the first was handled on. */
  readonly folded: number;
  readonly handled: number;
  readonly same: number;
  readonly different: Readonly<Partial<Record<OutcomeDifference['kind'], number>>>;
  readonly skipped: {
    /** The service did not handle them either. */
    readonly deadLetters: number;
    /** Of an id that was answered elsewhere. */
    readonly repeated: number;
    /** The group has not come to them. */
    readonly unanswered: number;
    /** Handled, for the state that they leave, and not compared: outside of what was asked for. */
    readonly notCompared: number;
  };
  /** Commands that were next by the time, but not by the sequences: events are missing. The first are named. */
  readonly outOfTurn: { readonly count: number; readonly first: readonly string[] };
  /** The first. */
  readonly differences: readonly CommandDifference[];
}

interface Handled extends OrderedCommand {
  readonly command: Command;
}

/** So many commands share a transaction. */
const CHUNK_COMMANDS = 500;
const DIFFERENCES_TOLD = 50;

/**
 * Handles past commands again with the code of today, on a scratch database, and compares what they lead to with what was published. Sends
 * nothing, moves no group.
 *
 * 1. Commands, events and dead letters are laid aside in the scratch database.
 * 2. In the order in which the commands were handled (`CommandOrder`), up to the first that is asked for: their published events are folded
 *    into the state at that moment.
 * 3. From there on, up to the last that is asked for, all are handled. A different outcome stays: the next command finds the state that it
 *    left.
 *
 * @param bus with the rules to try
 * @throws {ReplayRefusedError} the state before the first command cannot be told
 * @throws what the signal was aborted with
 */
export async function whatIf(broker: Broker, plan: WhatIfPlan, asked: Asked, watch: Watch, bus = silentBus()): Promise<WhatIfReport> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-what-if-'));
  const scratch = await Database.open(`sqlite:///${join(directory, 'scratch.db')}`);
  try {
    // Nobody needs it after a crash.
    await scratch.query('pragma synchronous = off');
    await scratch.runMigrations();
    const past = new PastCommands(scratch);
    await past.prepare();
    await readPast(broker, plan, past, watch);
    return await new WhatIf(scratch, plan, asked, bus).run(past, watch);
  } finally {
    await scratch.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Nobody is to hear of stock that ran out in the past. */
function silentBus(): MessageBus {
  return new MessageBus({ notifications: { outOfStock() {} } });
}

class WhatIf {
  readonly #scratch: Database;
  readonly #fold: EventFold;
  readonly #plan: WhatIfPlan;
  readonly #asked: Asked;
  readonly #bus: MessageBus;
  readonly #counts = { folded: 0, handled: 0, same: 0 };
  readonly #different: Partial<Record<OutcomeDifference['kind'], number>> = {};
  readonly #skipped = { deadLetters: 0, repeated: 0, notCompared: 0 };
  readonly #differences: CommandDifference[] = [];

  constructor(scratch: Database, plan: WhatIfPlan, asked: Asked, bus: MessageBus) {
    this.#scratch = scratch;
    this.#fold = new EventFold(scratch);
    this.#plan = plan;
    this.#asked = asked;
    this.#bus = bus;
  }

  async run(past: PastCommands, { advance, signal }: Watch): Promise<WhatIfReport> {
    const { lanes, gone } = await past.complete();
    const order = new CommandOrder(past, lanes);
    let isFolding = true;
    let [goneAhead, askedAhead] = [gone, await past.count(this.#plan.from, this.#plan.to)];
    await this.#fold.prepare();
    const chunk: OrderedCommand[] = [];
    const work = async () => {
      signal.throwIfAborted();
      const commands = chunk.splice(0);
      if (isFolding) await this.#lay(commands);
      else await this.#handle(commands);
      await advance(commands.length);
    };
    for await (const each of order.commands()) {
      if (isFolding && goneAhead === 0 && !this.#isEarlier(each)) {
        await work();
        await this.#foldAll();
        isFolding = false;
      }
      if (each.timestampMs === null) goneAhead -= 1;
      if (this.#isInRange(each)) askedAhead -= 1;
      chunk.push(each);
      if (chunk.length === CHUNK_COMMANDS || askedAhead === 0) await work();
      if (askedAhead === 0) break;
    }
    await work();
    const { folded, handled, same } = this.#counts;
    const skipped = { ...this.#skipped, unanswered: this.#plan.unanswered };
    const outOfTurn = { count: order.outOfTurnCount, first: order.outOfTurn };
    return { folded, handled, same, different: this.#different, skipped, outOfTurn, differences: this.#differences };
  }
}
