import type { LaneCommand, Report } from './check-history.ts';

/** The fields that name the order or batch of a command. The events of its answer repeat them. */
const OWN_NAMES = ['orderid', 'reference'] as const;

/**
 * Checks commands that came with one identity and different bodies. At most one body is answered.
 * Within a lane, the first body is answered. The answer is about the body at its place.
 * @param mayBeAnswered whether the answer to a command may have been deleted
 */
export function checkBodies(
  commands: readonly LaneCommand[],
  mayBeAnswered: (command: LaneCommand) => boolean,
  report: Report,
): void {
  for (const same of Map.groupBy(commands, ({ identity }) => identity).values()) {
    if (new Set(same.map(bodyOf)).size > 1) checkOne(same, mayBeAnswered, report);
  }
}

function checkOne(
  same: readonly LaneCommand[],
  mayBeAnswered: (command: LaneCommand) => boolean,
  report: Report,
): void {
  const answered = same.filter(({ answer }) => answer);
  const [first] = answered;
  const other = answered.find((each) => first && bodyOf(each) !== bodyOf(first));
  if (first && other)
    report(
      'another-body',
      `${first.id} is answered at ${first.place}, and with another body at ${other.place}`,
    );
  for (const command of answered) {
    const { place, id, partition, offset } = command;
    const before = same.filter((each) => each.partition === partition && each.offset < offset);
    const isOther = before.every((each) => bodyOf(each) !== bodyOf(command));
    const isLeft = before.every((each) => !each.answer && !each.letter && !mayBeAnswered(each));
    if (before.length > 0 && isOther && isLeft)
      report(
        'another-body',
        `${id} is answered at ${place}, but came first at ${before[0]?.place} with another body`,
      );
    const told = namesTold(command);
    const isToldOf = (each: LaneCommand) => namesOf(each.body).some((name) => told.has(name));
    const meant = same.find((each) => bodyOf(each) !== bodyOf(command) && isToldOf(each));
    if (meant && !isToldOf(command))
      report('another-body', `${id} at ${place} is answered as if it were ${meant.place}`);
  }
}

/** Returns the body without the id that the sender gave it, as text. */
function bodyOf({ body }: LaneCommand): string {
  const entries = Object.entries(body).filter(([name]) => name !== 'id');
  return JSON.stringify(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function namesOf(said: Readonly<Record<string, unknown>>): readonly string[] {
  return OWN_NAMES.flatMap((name) =>
    typeof said[name] === 'string' ? [`${name} ${said[name]}`] : [],
  );
}

function namesTold({ answer }: LaneCommand): ReadonlySet<string> {
  return new Set(answer?.events.flatMap(namesOf));
}
