import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../adapters/database/database.ts';
import { EventFold } from '../adapters/database/replay/event-fold.ts';
import { PastCommands } from '../adapters/database/replay/past-commands.ts';
import type { Broker } from '../service-layer/broker.ts';
import { MessageBus } from '../service-layer/message-bus.ts';
import { CommandOrder } from './command-order.ts';
import { ReplayRefusedError } from './errors.ts';
import { foldedEvents } from './folded-events.ts';
import { handleAgain } from './handle-again.ts';
import type { OrderedCommand } from './lane-cursor.ts';
import { OutcomeTally } from './outcome-tally.ts';
import { type PastRead, readPast } from './read-past.ts';
import { describeGaps } from './rebuild-refusals.ts';
import type { RunControl } from './run-control.ts';
import type { WhatIfPlan } from './what-if-plan.ts';
import type { CommandFilter, WhatIfReport } from './what-if-report.ts';

/** How many commands share a transaction. */
const CHUNK_COMMANDS = 500;

/**
 * Handles past commands again with the code of today, on a scratch database, and compares their
 * outcomes with what was published. Sends nothing and commits nothing for the group.
 *
 * 1. Lay commands, events and dead letters aside in the scratch database.
 * 2. Go through the commands in the order of their first handling (`CommandOrder`), up to the first
 *    one in question. Fold their published events into the state at that moment.
 * 3. Handle all commands from there to the last one in question. A different outcome stays: the
 *    next command finds the state that this outcome left.
 *
 * @param filter which outcomes are compared
 * @param bus the rules to try
 * @throws {ReplayRefusedError} nobody can tell the state before the first command
 * @throws the signal's reason
 */
export async function whatIf(
  broker: Broker,
  plan: WhatIfPlan,
  filter: CommandFilter,
  control: RunControl,
  bus = silentBus(),
): Promise<WhatIfReport> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-what-if-'));
  const scratch = await Database.open(`sqlite:///${join(directory, 'scratch.db')}`);
  try {
    // This is faster, and nobody needs the scratch database after a crash.
    await scratch.query('pragma synchronous = off');
    await scratch.runMigrations();
    const past = new PastCommands(scratch);
    await past.prepare();
    const read = await readPast(broker, plan, past, control);
    return await new WhatIf(scratch, plan, filter, bus).run(past, read, control);
  } finally {
    await scratch.close();
    await rm(directory, { recursive: true, force: true });
  }
}

/** Makes a bus that notifies nobody, because the stock ran out in the past. */
function silentBus(): MessageBus {
  return new MessageBus({ notifications: { outOfStock() {} } });
}

class WhatIf {
  readonly #scratch: Database;
  readonly #fold: EventFold;
  readonly #plan: WhatIfPlan;
  readonly #bus: MessageBus;
  readonly #tally: OutcomeTally;

  constructor(scratch: Database, plan: WhatIfPlan, filter: CommandFilter, bus: MessageBus) {
    this.#scratch = scratch;
    this.#fold = new EventFold(scratch);
    this.#plan = plan;
    this.#bus = bus;
    this.#tally = new OutcomeTally(plan, filter);
  }

  async run(
    past: PastCommands,
    { inRange, foreign }: PastRead,
    { advance, signal }: RunControl,
  ): Promise<WhatIfReport> {
    const { lanes, gone } = await past.complete();
    const order = new CommandOrder(past, lanes);
    // Fold up to the last command that the topic no longer has. Only its events can be folded.
    const ahead = { gone, inRange };
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
      if (ahead.inRange === 0) break;
      const isInRange = this.#tally.isInRange(each);
      if (isFolding && ahead.gone === 0 && each.wasHandled && isInRange) {
        await work();
        await this.#foldAll();
        isFolding = false;
      }
      if (each.timestampMs === null) ahead.gone -= 1;
      if (isInRange) ahead.inRange -= 1;
      chunk.push(each);
      if (chunk.length === CHUNK_COMMANDS) await work();
    }
    await work();
    const outOfTurn = { count: order.outOfTurnCount, first: order.outOfTurn };
    return { ...this.#tally.report, foreign, outOfTurn };
  }

  /** Step 2: lays published events and answered ids aside for the fold. */
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
    for (const each of commands) this.#tally.countFolded(each);
  }

  async #foldAll(): Promise<void> {
    const { eventsTopic } = this.#plan;
    const hint = 'nobody can tell the state to begin with: name another --from';
    const [conflict] = await this.#fold.conflicts(1);
    if (conflict) {
      const { sku, sequence, firstId, otherId } = conflict;
      const events = `${sku} ce_sequence ${sequence} is ${firstId} and ${otherId}`;
      throw new ReplayRefusedError(
        `Different events in ${eventsTopic} have one sequence (${events}): ${hint}`,
      );
    }
    const gaps = await describeGaps(this.#fold);
    if (gaps !== null)
      throw new ReplayRefusedError(`Events are missing in ${eventsTopic} (${gaps}): ${hint}`);
    await this.#fold.fold(async () => {});
  }

  /** Step 3: handles commands again. */
  async #handle(commands: readonly OrderedCommand[]): Promise<void> {
    const toHandle: OrderedCommand[] = [];
    for (const each of commands) {
      if (each.wasHandled) toHandle.push(each);
      else this.#tally.countSkipped(each);
    }
    const outcomes = await handleAgain(this.#scratch, this.#bus, toHandle);
    for (const [index, outcome] of outcomes.entries()) {
      const each = toHandle[index] as OrderedCommand;
      if (outcome === null) this.#tally.countSkipped(each);
      else this.#tally.countHandled(each, outcome);
    }
  }
}
