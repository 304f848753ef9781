import { releaseParked } from '../../src/adapters/database/lanes/parked-release.ts';
import { withDeadlines } from '../../src/cli/broker-deadline.ts';
import { LetterHeads } from '../../src/dead-letters/letter-heads.ts';
import { type Plan, plan } from '../../src/dead-letters/plan.ts';
import { asDeadLetters, type DeadLetter } from '../../src/dead-letters/read-dead-letter.ts';
import { Redriver } from '../../src/dead-letters/redriver.ts';
import type { Identity } from '../../src/domain/identity.ts';
import { readDeadLetters } from '../support/dead-letters.ts';
import { SimulatedBroker } from './simulated-broker.ts';
import type { SimulatedServer } from './simulated-database.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { Machine, type World } from './world.ts';

interface Topics {
  readonly commands: string;
  readonly deadLetters: string;
}

const LONGEST_PAUSE_MS = 2_000;
const LONGEST_LIFE_MS = 3_000;

/**
 * Redrives and discards failed and parked commands, as the CLI does, until nothing is left. Now and
 * then the operator dies over it.
 */
export class Operator {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #database: SimulatedServer;
  readonly #topics: Topics;
  /** By failed command, whether to discard it. The operator never changes that. */
  readonly #isToDiscard = new Map<string, boolean>();
  /** The commands that the operator began to discard. */
  readonly discarded = new Set<Identity>();
  #machine = new Machine('operator-0');
  #sittings = 0;
  #isOver = false;
  #seenEnd = 0;
  #isDone = true;

  constructor(world: World, log: SimulatedLog, database: SimulatedServer, topics: Topics) {
    this.#world = world;
    this.#log = log;
    this.#database = database;
    this.#topics = topics;
  }

  /** Calls the tool again and again, each time in a process of its own. */
  work(): void {
    if (this.#isOver) return;
    this.#sittings += 1;
    const machine = new Machine(`operator-${this.#sittings}`);
    this.#machine = machine;
    const goOn = () => {
      if (machine.isDead) return;
      this.#die();
      this.#world.after(this.#world.random() * LONGEST_PAUSE_MS, () => this.work());
    };
    if (this.#world.isTroubled && this.#world.chance(0.5)) {
      this.#world.after(this.#world.random() * LONGEST_LIFE_MS, goOn);
    }
    machine.hears(() => {
      this.#resolve(machine).then(goOn, (error: unknown) => {
        this.#world.trace(`${machine.name} gives up: ${error}`);
        goOn();
      });
    });
  }

  /** Says whether no dead letter waits. */
  hasNothingToDo(): boolean {
    const { deadLetters } = this.#topics;
    const partitions = Array.from({ length: this.#log.partitions }, (_, partition) => partition);
    const end = partitions.reduce(
      (sum, partition) => sum + this.#log.partition(deadLetters, partition).end,
      0,
    );
    if (end !== this.#seenEnd) {
      this.#seenEnd = end;
      const records = partitions.flatMap((partition) =>
        this.#log.partition(deadLetters, partition).read(0),
      );
      this.#isDone = waiting(asDeadLetters(records)).length === 0;
    }
    return this.#isDone;
  }

  end(): void {
    this.#isOver = true;
    this.#die();
  }

  #die(): void {
    this.#machine.isDead = true;
    this.#database.disconnect(this.#machine);
  }

  async #resolve(machine: Machine): Promise<void> {
    const broker = new SimulatedBroker(this.#world, this.#log, machine);
    const config = {
      kafkaBrokers: null,
      groupId: 'group',
      commandsTopic: this.#topics.commands,
      deadLettersTopic: this.#topics.deadLetters,
    };
    const decided = this.#plan(waiting(await readDeadLetters(broker, config.deadLettersTopic)));
    for (const { identity } of decided.discard) this.discarded.add(identity);
    const database = this.#database.connect(machine);
    const listener = { onResolved: () => {}, onFailedAgain: () => {}, onUnanswered: () => {} };
    const ids = (letters: readonly Pick<DeadLetter, 'identity'>[]) =>
      letters.map(({ identity }) => identity);
    this.#world.trace(
      `${machine.name} redrives ${ids(decided.redrive)}, discards ${ids(decided.discard)}`,
    );
    await new Redriver({
      broker: withDeadlines(broker, config),
      config,
      release: async (release) => void (await releaseParked(database, release)),
      edit: null,
      by: machine.name,
      signal: new AbortController().signal,
      listener,
      letters: new LetterHeads(broker, config.deadLettersTopic),
    }).carryOut(decided);
  }

  /** Plans to redrive all or the sequence of one, or to discard a failed command. */
  #plan(open: readonly DeadLetter[]): Plan {
    const discarded = open.filter(
      ({ reason, identity }) => reason === 'handler-failed' && this.#discards(identity),
    );
    const stuck = new Set(discarded.map(({ identity }) => identity));
    const redrivable = open.filter(({ identity, behind }) =>
      stuck.isDisjointFrom(new Set([identity, ...behind])),
    );
    if (discarded.length > 0 && (redrivable.length === 0 || this.#world.chance(0.5))) {
      const { identity } = this.#world.pick(discarded);
      const chosen = open.filter((letter) => letter.identity === identity);
      return plan('discard', chosen, open, Number.POSITIVE_INFINITY);
    }
    const chosen =
      this.#world.chance(0.5) || redrivable.length === 0
        ? redrivable
        : [this.#world.pick(redrivable)];
    return plan('redrive', chosen, open, Number.POSITIVE_INFINITY);
  }

  #discards(identity: Identity): boolean {
    const isToDiscard = this.#isToDiscard.get(identity) ?? this.#world.chance(0.15);
    this.#isToDiscard.set(identity, isToDiscard);
    return isToDiscard;
  }
}

const waiting = (letters: readonly DeadLetter[]) =>
  letters.filter(({ position, resolution }) => position !== null && resolution === null);
