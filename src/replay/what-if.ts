import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database, type Session } from '../adapters/database/database.ts';
import { EventFold } from '../adapters/database/replay/event-fold.ts';
import { PastCommands } from '../adapters/database/replay/past-commands.ts';
import type { Command } from '../domain/commands.ts';
import { idOf } from '../domain/identity.ts';
import type { Broker } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import { MessageBus } from '../service-layer/message-bus.ts';
import { CommandOrder, type OrderedCommand } from './command-order.ts';
import { ReplayRefusedError } from './errors.ts';
import { foldedEvents } from './folded-events.ts';
import type { SkippedRecords } from './foreign-records.ts';
import {
  compareOutcomes,
  type Failure,
  type Outcome,
  type OutcomeDifference,
  outcomeOf,
  skusIn,
} from './outcomes.ts';
import { isWithin } from './place.ts';
import { type PastRead, readPast } from './read-past.ts';
import type { Watch } from './rebuild.ts';
import type { WhatIfPlan } from './what-if-plan.ts';

/** A command whose outcome is another one now. */
export interface CommandDifference extends OutcomeDifference {
  readonly id: string;
  /** Null: what was a command once cannot be read now. */
  readonly type: Command['type'] | null;
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
  /** Records of others in the events topic, which the operator has decided to skip. */
  readonly foreign: SkippedRecords;
  /** Commands that were next by the time, but not by the sequences: events are missing. The first are named. */
  readonly outOfTurn: { readonly count: number; readonly first: readonly string[] };
  /** The first. */
  readonly differences: readonly CommandDifference[];
}

/** So many commands share a transaction. */
const CHUNK_COMMANDS = 500;
const DIFFERENCES_TOLD = 50;
/** So many products with missing events are named. */
const GAPS_NAMED = 3;

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
export async function whatIf(
  broker: Broker,
  plan: WhatIfPlan,
  asked: Asked,
  watch: Watch,
  bus = silentBus(),
): Promise<WhatIfReport> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-what-if-'));
  const scratch = await Database.open(`sqlite:///${join(directory, 'scratch.db')}`);
  try {
    // Nobody needs it after a crash.
    await scratch.query('pragma synchronous = off');
    await scratch.runMigrations();
    const past = new PastCommands(scratch);
    await past.prepare();
    const read = await readPast(broker, plan, past, watch);
    return await new WhatIf(scratch, plan, asked, bus).run(past, read, watch);
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

  async run(
    past: PastCommands,
    { asked, foreign }: PastRead,
    { advance, signal }: Watch,
  ): Promise<WhatIfReport> {
    const { lanes, gone } = await past.complete();
    const order = new CommandOrder(past, lanes);
    // A command that the topic does not hold any more cannot be handled: only folded, with all before it.
    const ahead = { gone, asked };
    let isFolding = true;
    await this.#fold.prepare();
    const chunk: OrderedCommand[] = [];
    const work = async () => {
      signal.throwIfAborted();
      const commands = chunk.splice(0);
      await (isFolding ? this.#layAside(commands) : this.#handle(commands));
      await advance(commands.length);
    };
    for await (const each of order.commands()) {
      if (ahead.asked === 0) break;
      if (isFolding && ahead.gone === 0 && each.wasHandled && this.#isAsked(each)) {
        await work();
        await this.#foldAll();
        isFolding = false;
      }
      if (each.timestampMs === null) ahead.gone -= 1;
      if (this.#isAsked(each)) ahead.asked -= 1;
      chunk.push(each);
      if (chunk.length === CHUNK_COMMANDS) await work();
    }
    await work();
    const skipped = { ...this.#skipped, unanswered: this.#plan.unanswered };
    const outOfTurn = { count: order.outOfTurnCount, first: order.outOfTurn };
    return {
      ...this.#counts,
      different: this.#different,
      skipped,
      foreign,
      outOfTurn,
      differences: this.#differences,
    };
  }

  #isAsked({ offset, timestampMs }: OrderedCommand): boolean {
    return timestampMs !== null && isWithin({ offset, timestampMs }, this.#plan);
  }

  /** Step 2: what the commands led to goes to the fold, and their ids are known from then on. */
  async #layAside(commands: readonly OrderedCommand[]): Promise<void> {
    const answered = commands.filter(({ isDead }) => !isDead);
    const events = answered.flatMap(({ published, offset }) =>
      foldedEvents({ events: published ?? [] }, 0, offset),
    );
    await this.#fold.add(
      events,
      answered.map(({ identity }) => identity),
      { partition: 0, nextOffset: 0 },
    );
    this.#counts.folded += commands.filter(({ wasHandled }) => wasHandled).length;
    for (const each of commands) {
      if (!each.wasHandled) this.#skip(each);
      else if (this.#isAsked(each)) this.#skipped.notCompared += 1;
    }
  }

  async #foldAll(): Promise<void> {
    const [conflict] = await this.#fold.conflicts(1);
    if (conflict) {
      const { sku, sequence, firstId, otherId } = conflict;
      throw new ReplayRefusedError(
        `Different events in ${this.#plan.eventsTopic} have one sequence (${sku} ce_sequence ${sequence} is ${firstId} and ${otherId}): ` +
          'the state to begin with cannot be told',
      );
    }
    const gaps = await this.#fold.gaps(GAPS_NAMED);
    if (gaps.length > 0) {
      const named = gaps
        .map(({ sku, missing }) => `${sku} from ce_sequence ${missing} on`)
        .join(', ');
      throw new ReplayRefusedError(
        `Events are missing in ${this.#plan.eventsTopic} (${named}): the state to begin with cannot be told`,
      );
    }
    await this.#fold.fold(async () => {});
  }

  /** Step 3. */
  async #handle(commands: readonly OrderedCommand[]): Promise<void> {
    const toHandle: OrderedCommand[] = [];
    for (const each of commands) {
      if (each.wasHandled) toHandle.push(each);
      else this.#skip(each);
    }
    for (const [index, outcome] of (await this.#outcomesOf(toHandle)).entries()) {
      const each = toHandle[index] as OrderedCommand;
      if (outcome === null) {
        this.#skip(each);
        continue;
      }
      this.#counts.handled += 1;
      this.#compare(each, outcome);
    }
  }

  #skip(command: OrderedCommand): void {
    if (this.#isAsked(command)) this.#skipped[command.isDead ? 'deadLetters' : 'repeated'] += 1;
  }

  /** All in one transaction; when a handler throws, which spoils the transaction, each in its own. */
  async #outcomesOf(
    commands: readonly OrderedCommand[],
  ): Promise<readonly (Outcome | Failure | null)[]> {
    try {
      return await this.#scratch.getSession((session) => this.#outcomesIn(session, commands));
    } catch (error) {
      if (error instanceof TroubleError) throw error;
      if (commands.length === 1) return [{ failure: (error as Error).message }];
    }
    const outcomes: (Outcome | Failure | null)[] = [];
    for (const each of commands) outcomes.push(...(await this.#outcomesOf([each])));
    return outcomes;
  }

  async #outcomesIn(
    session: Session,
    commands: readonly OrderedCommand[],
  ): Promise<readonly (Outcome | Failure | null)[]> {
    // If a command was never answered with an event, handle it where it comes first.
    const silent = new Set(
      await session.claim(
        commands.filter(({ published }) => published === null).map(({ identity }) => identity),
      ),
    );
    await session.prepare(commands.flatMap(({ command }) => command ?? []));
    const outcomes: (Outcome | Failure | null)[] = [];
    for (const { identity, command, published } of commands) {
      if (published === null && !silent.delete(identity)) outcomes.push(null);
      else if (command === null) outcomes.push({ failure: 'it cannot be read as a command' });
      else outcomes.push(outcomeOf(await this.#bus.handle(command, session)));
    }
    return outcomes;
  }

  #compare(each: OrderedCommand, now: Outcome | Failure): void {
    const { identity, command, lane, offset, hasSequence } = each;
    const published = each.published ?? [];
    const { type, sku } = this.#asked;
    const names = () => skusIn(command, 'failure' in now ? [published] : [published, now]);
    if (
      !this.#isAsked(each) ||
      (type !== null && command?.type !== type) ||
      (sku !== null && !names().has(sku))
    ) {
      this.#skipped.notCompared += 1;
      return;
    }
    const difference = compareOutcomes(published, now);
    if (!difference) {
      this.#counts.same += 1;
      return;
    }
    this.#different[difference.kind] = (this.#different[difference.kind] ?? 0) + 1;
    if (this.#differences.length === DIFFERENCES_TOLD) return;
    const place = `${lane}/${offset}`;
    this.#differences.push({
      id: idOf(identity),
      type: command?.type ?? null,
      place,
      placedBy: hasSequence ? 'sequence' : 'time',
      ...difference,
    });
  }
}
