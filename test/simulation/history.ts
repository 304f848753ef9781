import { pino } from 'pino';
import { SqlLaneStore } from '../../src/adapters/database/lanes/sql-lane-store.ts';
import { CommandConsumer } from '../../src/entrypoints/command-consumer.ts';
import { Metrics } from '../../src/entrypoints/metrics/metrics.ts';
import { FAULT_POINTS, type FaultPoint, faults } from '../../src/fault-points.ts';
import type { LaneStore } from '../../src/service-layer/lane-store.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { ParkingLimits } from '../../src/service-layer/parking.ts';
import {
  checkHistory,
  type History,
  type HistoryRecord,
  type LogStarts,
  type Violation,
} from '../support/check-history.ts';
import { asHistoryRecord, stockTables } from '../support/read-history.ts';
import {
  answeredAfterTruncation,
  ClusterFaults,
  hasAnsweredWhatIsLost,
  LONGEST_OUTAGE_MS,
} from './cluster-faults.ts';
import { LiveReader, type LiveViolation } from './live-reader.ts';
import { Operator } from './operator.ts';
import { type ParkedTooLate, parkedTooLate } from './parked-too-late.ts';
import { type PlantedBug, plants } from './planted-bugs.ts';
import { Poison } from './poison.ts';
import { IDLE_TIMEOUT_MS } from './postgres-connection.ts';
import { SequenceWatch } from './sequence-watch.ts';
import {
  type DatabaseFile,
  type Flaws,
  SimulatedDatabase,
  type SimulatedServer,
} from './simulated-database.ts';
import { SimulatedBroker, SimulatedLog } from './simulated-log.ts';
import { SimulatedPostgres } from './simulated-postgres.ts';
import { rejectedTooEarly, type TooEarly } from './too-early.ts';
import { sendCommands } from './traffic.ts';
import { WallClocks } from './wall-clocks.ts';
import { currentMachine, inhabit, Machine, World } from './world.ts';

const TOPICS = { commands: 'commands', events: 'events', deadLetters: 'dead-letters' };
const PARTITIONS = 3;
const PARTITION_INDEXES = Array.from({ length: PARTITIONS }, (_, partition) => partition);
const MACHINES = 2;
/** How many records 120 commands take at most: each redrive of all may answer only one. */
const MOST_COMMANDS = 7_200;
const TRAFFIC_MS = 12_000;
/** How long faults happen. With poison, commands must also fail, be mended and sent again. */
const TROUBLED_MS = { usually: TRAFFIC_MS, withPoison: 24_000 };
/** With the small limits, lanes wait until somebody redrives or discards. */
const PARKED_LIMITS = [1, 5, 1_000];
const LONGEST_MS = 120_000;
/**
 * Long enough for a transaction to time out, for a zombie to wake up, and for the last silent
 * connection to end. A lane that stops in order while its connection is silent leaves its published
 * answers in the outbox.
 */
const AFTERMATH_MS = IDLE_TIMEOUT_MS + 1_000;
/** The share of histories on PostgreSQL. The others are on SQLite. */
const POSTGRES_RATE = 0.5;
const LOOK_MS = 150;
const LOOK_AFTER_COMMIT_MS = 60;
/** The share of histories in which answers about several products come in several messages. */
const SMALL_EVENTS_RATE = 0.3;
const SMALL_EVENTS_BYTES = 3_000;

/** What is wrong with a history. `not-stopped`: a machine was told to stop and did not. */
type Finding =
  | Violation
  | LiveViolation
  | TooEarly
  | ParkedTooLate
  | {
      readonly kind: 'stuck' | 'not-stopped' | 'ahead' | 'thrown' | 'answered-after-truncation';
      readonly detail: string;
    };
export type FindingKind = Finding['kind'];

/** The outcome of one history. */
export interface Outcome {
  readonly violations: readonly Finding[];
  /** How often each fault happened. */
  readonly faults: ReadonlyMap<string, number>;
}

/**
 * Runs one history: the service's own lanes on a few machines, against a simulated log and
 * database, through faults that the seed decides. A live reader reads along. Then the faults end,
 * everything comes to rest and stops, and the judge decides.
 */
export async function simulate(
  seed: number,
  file: DatabaseFile,
  trace?: (text: string) => void,
  bug?: PlantedBug,
): Promise<Outcome> {
  const world = new World(seed, trace);
  inhabit(world);
  const watch = new SequenceWatch();
  const log: SimulatedLog = new SimulatedLog(
    world,
    Object.values(TOPICS),
    PARTITIONS,
    (records, positions) => {
      watch.published(records.filter(({ topic }) => topic === TOPICS.events));
      reader.committed(
        records.filter(({ topic }) => topic !== TOPICS.commands),
        positions,
      );
      // The reader looks while the markers of the transaction are written, partition by partition.
      if (records.length > 1)
        world.after(world.random() * LOOK_AFTER_COMMIT_MS, () => reader.look());
    },
  );
  if (world.chance(SMALL_EVENTS_RATE)) log.maxMessageBytes.set(TOPICS.events, SMALL_EVENTS_BYTES);
  const reader = new LiveReader(log, [TOPICS.events]);
  const happens = (what: string) => scene.count(what, 'the database');
  const database: SimulatedServer = world.chance(POSTGRES_RATE)
    ? new SimulatedPostgres(world, file, happens)
    : new SimulatedDatabase(world, file);
  const scene: Scene = new Scene(world, log, database, reader, bug);
  try {
    for (let index = 0; index < MACHINES; index += 1) scene.start();
    sendCommands(
      world,
      log,
      TOPICS.commands,
      world.between(40, 120),
      TRAFFIC_MS,
      !scene.poison.isThere,
    );
    scene.makeTrouble();
    await world.run(() => false, scene.troubledMs);
    scene.endTrouble();
    const stuck = await comeToRest(world, scene);
    const live = [...watch.violations, ...reader.violations];
    return {
      violations: [...stuck, ...live, ...(await judge(scene, file, stuck.length > 0))],
      faults: scene.faults,
    };
  } finally {
    scene.end();
    database.close();
  }
}

/** Lets the history come to rest, and stops it. @returns what has kept it from that */
async function comeToRest(world: World, scene: Scene): Promise<readonly Finding[]> {
  const rests = async () => {
    const hasEnded = await world.run(
      () => scene.isAtRest() || scene.refuses() || scene.goesRoundInCircles(),
      LONGEST_MS,
    );
    return hasEnded && !scene.goesRoundInCircles();
  };
  const stops = async () => {
    scene.stop();
    return world.run(() => scene.hasStopped(), LONGEST_MS);
  };
  const stuck = () => [{ kind: 'stuck' as const, detail: scene.positions() }];
  const notStopped = () => [{ kind: 'not-stopped' as const, detail: scene.positions() }];
  if (!(await rests())) return stuck();
  await world.run(() => false, AFTERMATH_MS);
  // An answer that rests on a lane that refuses for good waits for ever.
  if (scene.refuses()) return [];
  if (!(await stops())) return notStopped();
  // The next machine finds nothing to do, whatever the group has forgotten.
  if (scene.cluster.hasForgotten) {
    scene.start();
    if (!(await rests())) return stuck();
    await world.run(() => false, AFTERMATH_MS);
    if (!(await stops())) return notStopped();
  }
  scene.look();
  return [];
}

/** Asks the judge about all records that ever were, and about those that retention has left. */
async function judge(
  scene: Scene,
  file: DatabaseFile,
  isUnderWay: boolean,
): Promise<readonly Finding[]> {
  const { truncation } = scene.cluster;
  const [commands, events] = [scene.read(TOPICS.commands), scene.read(TOPICS.events)];
  if (truncation && (scene.refuses() || hasAnsweredWhatIsLost(truncation, commands, events))) {
    const places = answeredAfterTruncation(truncation, commands, events);
    return places.map((place) => ({ kind: 'answered-after-truncation', detail: place }));
  }
  const allowances = {
    mayFail: ({ body }: { readonly body: object }) => scene.poison.isIn(body),
    mayBeDiscarded: ({ identity }: { readonly identity: string }) =>
      scene.operator.discarded.has(identity),
    isUnderWay,
  };
  const history = await historyOf(scene, file);
  const violations = [
    ...checkHistory(history, allowances),
    ...rejectedTooEarly(history, scene.waitedInVainAt),
    ...parkedTooLate(history),
  ];
  const { starts } = scene;
  if (violations.length > 0 || !starts) return violations;
  const left = (records: readonly HistoryRecord[], topic: keyof LogStarts) =>
    records.filter(({ partition, offset }) => offset >= (starts[topic].get(partition) ?? 0));
  const remaining = {
    ...history,
    starts,
    commands: left(history.commands, 'commands'),
    events: left(history.events, 'events'),
  };
  return checkHistory(remaining, allowances).map(({ kind, detail }) => ({
    kind,
    detail: `in what retention has left: ${detail}`,
  }));
}

interface Trap {
  readonly where: FaultPoint;
  readonly kind: 'kill' | 'throw' | 'stall';
  readonly canThrow: boolean;
  /** How many passings are left until the fault. */
  left: number;
}

/** What may befall a machine. An entry that is there twice is twice as likely. */
const BEFALLING = [
  ...['crash', 'crash', 'freeze', 'freeze'],
  ...['leaving machine', 'lost database connection', 'joining machine', 'expelled machine'],
] as const;

const BEFALLING_POSTGRES = [
  ...BEFALLING,
  'silent database connections',
  'silent database connections',
] as const;

/** An owner that stalls here wakes up as a former owner, and goes on into a transaction. */
const BEFORE_A_TRANSACTION = ['delivered', 'decoded'] as const satisfies readonly FaultPoint[];
const ZOMBIE_RATE = 0.15;
const EARLY_TRUNCATION_RATE = 0.2;

const WAY_OUT = FAULT_POINTS.slice(
  FAULT_POINTS.indexOf('database-committed'),
  FAULT_POINTS.indexOf('broker-committed'),
);

/** The machines, and what befalls them. */
class Scene {
  readonly faults = new Map<string, number>();
  readonly clocks: WallClocks;
  readonly poison: Poison;
  readonly cluster: ClusterFaults;
  readonly #reader: LiveReader;
  readonly operator: Operator;
  readonly #parkingLimits: ParkingLimits;
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly database: SimulatedServer;
  readonly #bug: PlantedBug | undefined;
  readonly #machines: Machine[] = [];
  readonly #consumers = new Map<Machine, CommandConsumer>();
  readonly #traps: Trap[] = [];
  /** When a lane first waited for other lanes in vain. From then on it may reject too early. */
  waitedInVainAt = '~';
  #isOver = false;
  #stopping = 0;

  constructor(
    world: World,
    log: SimulatedLog,
    database: SimulatedServer,
    reader: LiveReader,
    bug: PlantedBug | undefined,
  ) {
    this.#reader = reader;
    this.clocks = new WallClocks(world);
    this.poison = new Poison(world);
    this.cluster = new ClusterFaults(world, log, TOPICS, {
      mayLoseCommands: !this.poison.isThere,
      happens: (fault) => this.count(fault, 'the cluster'),
      forgets: (partitions) => reader.forgotten(partitions),
      leave: () => {
        for (const machine of this.#living()) this.#leave(machine);
      },
    });
    const ofProduct = world.pick(PARKED_LIMITS);
    this.#parkingLimits = { ofProduct, inAll: 2 * ofProduct };
    this.operator = new Operator(world, log, database, TOPICS);
    this.#world = world;
    this.#log = log;
    this.database = database;
    this.#bug = bug;
  }

  get #metrics(): Metrics {
    const metrics = new Metrics();
    metrics.lanes.countWait = (outcome) => {
      this.count(`wait for other lanes: ${outcome}`, currentMachine()?.name ?? '');
      const now = new Date(this.#world.nowMs).toISOString();
      if (outcome === 'ran-out' && now < this.waitedInVainAt) this.waitedInVainAt = now;
    };
    return metrics;
  }

  get troubledMs(): number {
    return this.poison.isThere ? TROUBLED_MS.withPoison : TROUBLED_MS.usually;
  }

  count(fault: string, whom: string): void {
    this.#world.trace(`${whom}: ${fault}`);
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  start(): void {
    const machine = new Machine(`machine-${this.#machines.length + 1}`);
    this.clocks.jump(machine);
    this.#machines.push(machine);
    const parts = {
      broker: new SimulatedBroker(this.#world, this.#log, machine),
      store: this.#openStore(machine),
      openStore: (flaws: Flaws) => this.#openStore(machine, flaws),
      answering: {
        bus: this.poison.into(new MessageBus({ notifications: { outOfStock: () => {} } })),
        eventsTopic: TOPICS.events,
        deadLettersTopic: TOPICS.deadLetters,
        parkingLimits: this.#parkingLimits,
        strictCommands: false,
        clock: () => this.clocks.read(machine),
        metrics: this.#metrics,
      },
    };
    const consumer = new CommandConsumer(TOPICS.commands, {
      ...(this.#bug ? plants[this.#bug](parts) : parts),
      group: 'group',
      recoveryAdvice: async () => '',
      log: pino({ level: 'silent' }),
    });
    this.#consumers.set(machine, consumer);
    machine.hears(() => void consumer.start());
  }

  #openStore(machine: Machine, flaws: Flaws = {}): LaneStore {
    return new SqlLaneStore(this.database.connect(machine, flaws), () => {});
  }

  makeTrouble(): void {
    const world = this.#world;
    // Somebody must see a command fail before anybody can send it again.
    world.after(this.poison.isThere ? world.random() * TRAFFIC_MS : 0, () => {
      world.isTroubled = true;
    });
    faults.at = (point) => this.#pass(point);
    const where = world.pick(FAULT_POINTS);
    const isSecond = where.startsWith('left-behind');
    // One machine must leave answers behind before another one can fail over them.
    if (isSecond || world.chance(0.3))
      this.#lieInWait(world.pick(WAY_OUT), world.between(1, 5), 'kill');
    if (world.chance(ZOMBIE_RATE))
      this.#lieInWait(world.pick(BEFORE_A_TRANSACTION), world.between(1, 30), 'stall');
    this.#lieInWait(where, isSecond || where === 'failure-claimed' ? 1 : world.between(1, 5));
    for (let count = world.between(1, this.poison.isThere ? 12 : 8); count > 0; count -= 1) {
      world.after(world.random() * this.troubledMs, () => this.#befall(world.pick(this.#living())));
    }
    if (this.poison.isThere) {
      world.after((0.3 + world.random()) * this.troubledMs, () => this.poison.mend());
      world.after(world.random() * this.troubledMs, () => this.operator.work());
    }
    for (let count = world.between(0, 5); count > 0; count -= 1) {
      world.after(world.random() * this.troubledMs, () => {
        this.cluster.befall();
        // Host and broker may go down together.
        if (world.chance(0.4))
          world.after(world.random() * LONGEST_OUTAGE_MS, () =>
            this.#befall(world.pick(this.#living())),
          );
      });
    }
    // This is early enough that later records grow past the lost ones.
    if (world.chance(EARLY_TRUNCATION_RATE))
      world.after(world.random() * 0.6 * TRAFFIC_MS, () => this.cluster.befall('truncation'));
    this.#lookAgain();
    for (let count = world.between(0, 4); count > 0; count -= 1) {
      world.after(world.random() * this.troubledMs, () => this.#jump(world.pick(this.#living())));
    }
  }

  endTrouble(): void {
    this.#isOver = true;
    this.#world.isTroubled = false;
    this.#log.outages.end();
    for (const machine of this.#machines) if (machine.isFrozen) machine.wake();
  }

  /** Tells each machine to stop, in order. */
  stop(): void {
    for (const machine of this.#living()) {
      const consumer = this.#consumers.get(machine);
      if (!consumer) continue;
      this.#consumers.delete(machine);
      this.#stopping += 1;
      const end = () => {
        machine.isDead = true;
        this.#stopping -= 1;
      };
      machine.hears(() => void consumer.close().then(end));
    }
  }

  /** Says whether the lane whose log has lost records that were read waits for a person. */
  refuses(): boolean {
    const { truncation } = this.cluster;
    if (!truncation) return false;
    const problems = this.#living().flatMap(
      (machine) => this.#consumers.get(machine)?.problems() ?? [],
    );
    return problems.some(
      (problem) => problem.includes(`/${truncation.partition}`) && problem.includes('truncated'),
    );
  }

  hasStopped(): boolean {
    return this.#stopping === 0;
  }

  /** Reads along, as a consumer of the events does. */
  look(): void {
    this.#reader.look();
  }

  #lookAgain(): void {
    this.look();
    this.#world.after(LOOK_MS * (0.5 + this.#world.random()), () => this.#lookAgain());
  }

  /** Where each topic begins, or null where nothing was deleted. */
  get starts(): LogStarts | null {
    const of = (topic: string) =>
      new Map(PARTITION_INDEXES.map((partition) => [partition, this.#log.start(topic, partition)]));
    const starts = {
      commands: of(TOPICS.commands),
      events: of(TOPICS.events),
      deadLetters: of(TOPICS.deadLetters),
    };
    return Object.values(starts).some((topic) => [...topic.values()].some((start) => start > 0))
      ? starts
      : null;
  }

  /** Returns what a `read_committed` client could ever see in the topic, but for truncations. */
  read(topic: string): readonly HistoryRecord[] {
    return PARTITION_INDEXES.flatMap((partition) => this.#log.read(topic, partition, 0)).map(
      asHistoryRecord,
    );
  }

  get committedOffsets(): ReadonlyMap<number, number> {
    return this.#log.offsets;
  }

  get ends(): ReadonlyMap<number, number> {
    return new Map(
      PARTITION_INDEXES.map((partition) => [
        partition,
        this.#log.partition(TOPICS.commands, partition).length,
      ]),
    );
  }

  /** Says whether every command is answered or discarded, and the group has committed that. */
  isAtRest(): boolean {
    const isHandled = PARTITION_INDEXES.every(
      (partition) => (this.#log.offsets.get(partition) ?? 0) >= this.#end(partition),
    );
    return isHandled && (!this.poison.isThere || this.operator.hasNothingToDo());
  }

  /** Says whether the same commands are sent again and again, and never answered. */
  goesRoundInCircles(): boolean {
    return (
      PARTITION_INDEXES.reduce(
        (sum, partition) => sum + this.#log.partition(TOPICS.commands, partition).length,
        0,
      ) > MOST_COMMANDS
    );
  }

  positions(): string {
    const lanes = PARTITION_INDEXES.map(
      (lane) => `${lane}: ${this.#log.offsets.get(lane) ?? 0} of ${this.#end(lane)}`,
    );
    const problems = this.#living().flatMap(
      (machine) => this.#consumers.get(machine)?.problems() ?? [],
    );
    const waiting = `the dead letters wait: ${!this.operator.hasNothingToDo()}`;
    return [`the group stands at ${lanes.join(', ')}`, waiting, ...new Set(problems)].join('; ');
  }

  end(): void {
    faults.at = null;
    this.operator.end();
    for (const machine of this.#machines) machine.isDead = true;
  }

  #end(partition: number): number {
    return this.#log.end(TOPICS.commands, partition);
  }

  #befall(machine: Machine | undefined): void {
    if (!machine) return;
    const fault = this.#world.pick(this.database.canGoSilent ? BEFALLING_POSTGRES : BEFALLING);
    this.count(fault, machine.name);
    if (fault === 'joining machine') this.start();
    if (fault === 'leaving machine') this.#leave(machine);
    if (fault === 'crash') this.#crash(machine);
    if (fault === 'freeze') {
      this.#freeze(machine);
      this.database.stalls(machine);
    }
    if (fault === 'expelled machine') this.#log.group.expel(machine);
    if (fault === 'lost database connection') this.database.disconnect(machine);
    if (fault === 'silent database connections') this.database.silence(machine);
  }

  #jump(machine: Machine | undefined): void {
    if (!machine) return;
    this.clocks.jump(machine);
    this.count('clock jump', machine.name);
  }

  #living(): readonly Machine[] {
    return this.#machines.filter(({ isDead }) => !isDead);
  }

  /** Sets a trap: the n-th machine to pass the point dies there, throws, or stalls. */
  #lieInWait(where: FaultPoint, passings: number, how?: 'kill' | 'stall'): void {
    // Closing a lane promises not to fail, so nothing can throw there.
    const canThrow =
      where !== 'partition-revoked' && where !== 'relay-drained' && where !== 'outbox-emptied';
    const kind = how ?? this.#world.pick(canThrow ? ['kill', 'throw', 'stall'] : ['kill', 'stall']);
    this.#traps.push({ where, kind, canThrow, left: passings });
  }

  #pass(point: FaultPoint): void {
    const machine = currentMachine();
    const trap = this.#traps.find(({ where, left }) => where === point && left > 0);
    if (this.#isOver || !trap || !machine || machine.isDead) return;
    trap.left -= 1;
    if (trap.left > 0) return;
    this.count(`${trap.kind} at ${point}`, machine.name);
    if (trap.kind === 'stall') this.#freeze(machine);
    if (trap.kind === 'kill') this.#crash(machine);
    if (trap.kind !== 'stall' && trap.canThrow) throw new Error(`${trap.kind} at ${point}`);
  }

  #crash(machine: Machine): void {
    machine.isDead = true;
    this.database.disconnect(machine);
    this.#world.after(this.#world.random() * 3_000, () => this.start());
  }

  /** Stops a machine as on SIGTERM. Another fault may still cut that short. */
  #leave(machine: Machine): void {
    const consumer = this.#consumers.get(machine);
    this.#consumers.delete(machine);
    if (!consumer) return;
    const end = () => {
      if (!machine.isDead) this.#crash(machine);
    };
    machine.hears(() => void consumer.close().then(end));
  }

  #freeze(machine: Machine): void {
    machine.isFrozen = true;
    this.#world.after(this.#world.random() * 15_000, () => machine.wake());
  }
}

async function historyOf(scene: Scene, file: DatabaseFile): Promise<History> {
  const { decisions } = scene.database;
  const events = scene
    .read(TOPICS.events)
    .map(
      (event) =>
        decisions?.timed(event) ?? { ...event, madeAt: scene.clocks.madeAt(event.headers) },
    );
  const deadLetters = scene
    .read(TOPICS.deadLetters)
    .map((letter) => decisions?.timed(letter) ?? letter);
  return scene.cluster.withoutLost({
    commands: scene.read(TOPICS.commands),
    events,
    deadLetters,
    committedOffsets: scene.committedOffsets,
    ends: scene.ends,
    tables: await stockTables(
      async <Row>(statement: string) => file.reader(statement).all() as Row[],
    ),
  });
}
