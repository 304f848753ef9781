import type { DeletedRecords } from './deleted-records.ts';
import type { LaneCommand } from './evidence.ts';
import type { Rule } from './rule.ts';
import type { Report } from './violations.ts';

/** The fields that name the order or batch of a command. The events of its answer repeat them. */
const OWN_NAMES = ['orderid', 'reference'] as const;

/**
 * Checks commands that came with one identity and different bodies. At most one body is answered.
 * Within a lane, the first body is answered. The answer is about the body at its place.
 */
export const checkBodies: Rule = ({ commands, deleted }, report) => {
  for (const same of Map.groupBy(commands, ({ identity }) => identity).values()) {
    if (new Set(same.map(bodyOf)).size <= 1) continue;
    checkOneIsAnswered(same, report);
    for (const command of same.filter(({ answer }) => answer)) {
      checkFirstIsAnswered(command, same, deleted, report);
      checkAnswerIsAbout(command, same, report);
    }
  }
};

function checkOneIsAnswered(same: readonly LaneCommand[], report: Report): void {
  const answered = same.filter(({ answer }) => answer);
  const [first] = answered;
  const other = answered.find((each) => first && bodyOf(each) !== bodyOf(first));
  if (first && other)
    report(
      'another-body',
      `${first.id} is answered at ${first.place}, and with another body at ${other.place}`,
    );
}

function checkFirstIsAnswered(
  command: LaneCommand,
  same: readonly LaneCommand[],
  deleted: DeletedRecords,
  report: Report,
): void {
  const { place, id, partition, offset } = command;
  const before = same.filter((each) => each.partition === partition && each.offset < offset);
  const isOther = before.every((each) => bodyOf(each) !== bodyOf(command));
  const isLeft = before.every(
    (each) => !each.answer && !each.letter && !deleted.mayHaveAnswerTo(each),
  );
  if (before.length > 0 && isOther && isLeft)
    report(
      'another-body',
      `${id} is answered at ${place}, but came first at ${before[0]?.place} with another body`,
    );
}

function checkAnswerIsAbout(
  command: LaneCommand,
  same: readonly LaneCommand[],
  report: Report,
): void {
  const { place, id } = command;
  const answered = namesAnswered(command);
  const isAnswered = (each: LaneCommand) => namesIn(each.body).some((name) => answered.has(name));
  const meant = same.find((each) => bodyOf(each) !== bodyOf(command) && isAnswered(each));
  if (meant && !isAnswered(command))
    report('another-body', `${id} at ${place} is answered as if it were ${meant.place}`);
}

/** Returns the body without the id that the sender gave it, as text. */
function bodyOf({ body }: LaneCommand): string {
  const entries = Object.entries(body).filter(([name]) => name !== 'id');
  return JSON.stringify(entries.sort(([one], [other]) => (one < other ? -1 : 1)));
}

function namesIn(body: Readonly<Record<string, unknown>>): readonly string[] {
  return OWN_NAMES.flatMap((name) =>
    typeof body[name] === 'string' ? [`${name} ${body[name]}`] : [],
  );
}

function namesAnswered({ answer }: LaneCommand): ReadonlySet<string> {
  return new Set(answer?.events.flatMap(namesIn));
}
