import { checkHistory } from '../support/judge/check-history.ts';
import type { History, HistoryRecord, LogStarts } from '../support/judge/history.ts';
import { asHistoryRecord, stockTables } from '../support/read-history.ts';
import { answeredAfterTruncation, hasAnsweredWhatIsLost } from './cluster-faults.ts';
import type { Finding } from './finding.ts';
import { parkedTooLate } from './parked-too-late.ts';
import type { Scene } from './scene.ts';
import type { DatabaseFile } from './simulated-database.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { rejectedTooEarly } from './too-early.ts';
import { PARTITION_INDEXES, TOPICS } from './topics.ts';

/** Asks the judge about all records that ever were, and about those that retention has left. */
export async function judgeScene(
  scene: Scene,
  file: DatabaseFile,
  isUnderWay: boolean,
): Promise<readonly Finding[]> {
  const { truncation } = scene.cluster;
  const [commands, events] = [recordsOf(scene.log, 'commands'), recordsOf(scene.log, 'events')];
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
    ...rejectedTooEarly(history, scene.machines.waitedInVainAt),
    ...parkedTooLate(history),
  ];
  const starts = startsOf(scene.log);
  if (violations.length > 0 || !starts) return violations;
  return checkHistory(leftIn(history, starts), allowances).map((violation) => ({
    ...violation,
    detail: `in what retention has left: ${violation.detail}`,
  }));
}

async function historyOf(scene: Scene, file: DatabaseFile): Promise<History> {
  const { log, clocks } = scene;
  const { decisions } = scene.database;
  return scene.cluster.withoutLost({
    commands: recordsOf(log, 'commands'),
    events: recordsOf(log, 'events').map(
      (event) => decisions?.timed(event) ?? { ...event, madeAt: clocks.madeAt(event.headers) },
    ),
    deadLetters: recordsOf(log, 'deadLetters').map((letter) => decisions?.timed(letter) ?? letter),
    committedOffsets: log.offsets.committed,
    ends: new Map(
      PARTITION_INDEXES.map((partition) => [
        partition,
        log.partition(TOPICS.commands, partition).length,
      ]),
    ),
    tables: await stockTables(
      async <Row>(statement: string) => file.reader(statement).all() as Row[],
    ),
  });
}

/** Returns what a `read_committed` client could ever see in the topic, but for truncations. */
function recordsOf(log: SimulatedLog, topic: keyof typeof TOPICS): readonly HistoryRecord[] {
  return PARTITION_INDEXES.flatMap((partition) =>
    log.partition(TOPICS[topic], partition).read(0),
  ).map(asHistoryRecord);
}

/** Returns where each topic begins, or null where nothing was deleted. */
function startsOf(log: SimulatedLog): LogStarts | null {
  const of = (topic: keyof typeof TOPICS) =>
    new Map(
      PARTITION_INDEXES.map((partition) => [
        partition,
        log.partition(TOPICS[topic], partition).start,
      ]),
    );
  const starts = { commands: of('commands'), events: of('events'), deadLetters: of('deadLetters') };
  return Object.values(starts).some((topic) => [...topic.values()].some((start) => start > 0))
    ? starts
    : null;
}

/** Returns the history without the commands and events that retention has deleted. */
function leftIn(history: History, starts: LogStarts): History {
  const left = (topic: 'commands' | 'events') =>
    history[topic].filter(({ partition, offset }) => offset >= (starts[topic].get(partition) ?? 0));
  return { ...history, starts, commands: left('commands'), events: left('events') };
}
