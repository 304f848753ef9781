import { FaultCounts } from './fault-counts.ts';
import type { Finding } from './finding.ts';
import { judgeScene } from './judge-scene.ts';
import { LiveReader } from './live-reader.ts';
import type { PlantedBug } from './planted-bugs/planted-bugs.ts';
import { IDLE_TIMEOUT_MS } from './postgres-connection.ts';
import { Scene, TRAFFIC_MS } from './scene.ts';
import { SequenceWatch } from './sequence-watch.ts';
import {
  type DatabaseFile,
  SimulatedDatabase,
  type SimulatedServer,
} from './simulated-database.ts';
import { SimulatedLog } from './simulated-log.ts';
import { SimulatedPostgres } from './simulated-postgres.ts';
import { PARTITIONS, TOPICS } from './topics.ts';
import { sendCommands } from './traffic.ts';
import { inhabit, World } from './world.ts';

const MACHINES = 2;
const COMMANDS = { least: 40, most: 120 };
const LONGEST_MS = 120_000;
/**
 * Long enough for a transaction to time out, for a zombie to wake up, and for the last silent
 * connection to end. A lane that stops in order while its connection is silent leaves its published
 * answers in the outbox.
 */
const AFTERMATH_MS = IDLE_TIMEOUT_MS + 1_000;
/** The share of histories on PostgreSQL. The others are on SQLite. */
const POSTGRES_RATE = 0.5;
const LOOK_AFTER_COMMIT_MS = 60;
/** The share of histories in which answers about several products come in several messages. */
const SMALL_EVENTS_RATE = 0.3;
const SMALL_EVENTS_BYTES = 3_000;

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
  const counts = new FaultCounts(world);
  const { log, reader, watch } = openLog(world);
  const database: SimulatedServer = world.chance(POSTGRES_RATE)
    ? new SimulatedPostgres(world, file, (fault) => counts.count(fault, 'the database'))
    : new SimulatedDatabase(world, file);
  const scene = new Scene(world, log, database, reader, counts, bug);
  try {
    for (let index = 0; index < MACHINES; index += 1) scene.machines.start();
    const commands = world.between(COMMANDS.least, COMMANDS.most);
    sendCommands(world, log, TOPICS.commands, commands, TRAFFIC_MS, !scene.poison.isThere);
    scene.makeTrouble();
    await world.run(() => false, scene.troubledMs);
    scene.endTrouble();
    const stuck = await comeToRest(world, scene);
    const live = [...watch.violations, ...reader.violations];
    return {
      violations: [...stuck, ...live, ...(await judgeScene(scene, file, stuck.length > 0))],
      faults: counts.byFault,
    };
  } finally {
    scene.end();
    database.close();
  }
}

/** Opens an empty log, and lets two watchers read along. */
function openLog(world: World) {
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
  return { log, reader, watch };
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
    scene.machines.stopAll();
    return world.run(() => scene.machines.haveStopped, LONGEST_MS);
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
    scene.machines.start();
    if (!(await rests())) return stuck();
    await world.run(() => false, AFTERMATH_MS);
    if (!(await stops())) return notStopped();
  }
  scene.look();
  return [];
}
