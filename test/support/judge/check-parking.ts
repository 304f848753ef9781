import type { LaneCommand } from './evidence.ts';
import type { Rule } from './rule.ts';
import { SkusByName, subjectsOf } from './subjects.ts';
import type { Report } from './violations.ts';

/** The story of one command in one lane, however often the command was sent. */
interface Story {
  readonly id: string;
  readonly identity: string;
  readonly partition: number;
  readonly firstOffset: number;
  /** The subjects that the command and its answer name. */
  readonly subjects: ReadonlySet<string>;
  /** The subjects that the command names, and the products of the batch or order that it names. */
  readonly possibleSubjects: ReadonlySet<string>;
  /**
   * The offset from which the command holds nobody up. Infinity: the command still waits. Null: the
   * command was answered elsewhere, or nobody can tell.
   */
  readonly closedOffset: number | null;
  /**
   * The offsets of the copies that became dead letters because a handler failed on them, or on a
   * command before them.
   */
  readonly parkedOffsets: readonly number[];
}

const PARKED_REASONS = new Set(['handler-failed', 'parked-behind']);

/**
 * Checks that later commands about the same product, batch or order wait for a failed command, and
 * that no other command waits. The order of commands is known only within a lane, so the judge asks
 * for it only there. If commands were deleted, the product of a batch or order and the reason for
 * parking may be unknown, so any command may wait.
 */
export const checkParking: Rule = ({ commands, allowances, deleted }, report) => {
  const { mayBeDiscarded = () => false } = allowances;
  const skus = new SkusByName(commands);
  const stories = [
    ...Map.groupBy(commands, ({ identity, partition }) => `${partition} ${identity}`).values(),
  ].map((same) => storyOf(same, skus, mayBeDiscarded));
  const parked = stories.filter(({ parkedOffsets }) => parkedOffsets.length > 0);
  for (const earlier of parked) checkNobodyOvertakes(earlier, stories, report);
  if (deleted.hasCommands) return;
  for (const command of commands)
    if (command.letter?.reason === 'parked-behind') checkReason(command, skus, parked, report);
};

function checkNobodyOvertakes(earlier: Story, stories: readonly Story[], report: Report): void {
  const { closedOffset, partition } = earlier;
  if (closedOffset === null) return;
  const overtaking = stories.find(
    (later) =>
      later.partition === partition &&
      later.firstOffset > earlier.firstOffset &&
      later.closedOffset !== null &&
      later.closedOffset < closedOffset &&
      !later.subjects.isDisjointFrom(earlier.subjects),
  );
  if (overtaking)
    report(
      'overtaken',
      `${earlier.id} (from ${earlier.firstOffset} on in ${partition}) by ${overtaking.id}`,
    );
}

/** Checks that a parked command had a failed command before it. */
function checkReason(
  { place, partition, offset, id, identity, body }: LaneCommand,
  skus: SkusByName,
  parked: readonly Story[],
  report: Report,
): void {
  const subjects = new Set([...subjectsOf(body), ...skus.of(body)]);
  const mayHaveWaited = (story: Story) =>
    story.partition !== partition ||
    (story.parkedOffsets.some((parkedOffset) => parkedOffset < offset) &&
      (story.closedOffset ?? offset) >= offset);
  const isRight = parked.some(
    (story) =>
      story.identity !== identity &&
      mayHaveWaited(story) &&
      !story.possibleSubjects.isDisjointFrom(subjects),
  );
  if (!isRight)
    report(
      'parked-for-nothing',
      `${id} at ${place}: no failed command about ${[...subjects]} came before`,
    );
}

function storyOf(
  same: readonly LaneCommand[],
  skus: SkusByName,
  mayBeDiscarded: (command: LaneCommand) => boolean,
): Story {
  const [first] = same as [LaneCommand];
  const answered = same.find(({ answer }) => answer);
  const isDiscarded =
    mayBeDiscarded(first) || same.some(({ letter }) => letter?.resolution === 'discarded');
  const isOpen = same.some(({ letter }) => letter && letter.resolution === null);
  const answeredSkus = (answered?.answer?.events ?? []).flatMap(({ sku }) =>
    sku === undefined ? [] : [`sku:${sku}`],
  );
  return {
    id: first.id,
    identity: first.identity,
    partition: first.partition,
    firstOffset: Math.min(...same.map(({ offset }) => offset)),
    subjects: new Set([...subjectsOf(first.body), ...answeredSkus]),
    possibleSubjects: new Set([...subjectsOf(first.body), ...skus.of(first.body)]),
    // A discard reaches the database before the topic, so the topic does not show when it took
    // effect, or whether it did: an operator who died in between may redrive the command later. A
    // discarded command that comes again is new.
    closedOffset: isDiscarded
      ? null
      : (answered?.offset ?? (isOpen ? Number.POSITIVE_INFINITY : null)),
    parkedOffsets: same.flatMap(({ letter, offset }) =>
      letter && PARKED_REASONS.has(letter.reason) ? [offset] : [],
    ),
  };
}
