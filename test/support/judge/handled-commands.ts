import type { DeletedRecords } from './deleted-records.ts';
import type { HandledCommand, LaneCommand } from './evidence.ts';
import { formerIdentity } from './identity.ts';
import type { Allowances } from './rule.ts';
import type { Report } from './violations.ts';

/**
 * Returns what each lane has handled, in the order of the lane. Each identity appears once. A
 * command that waits among the dead letters, or was discarded there, does not appear.
 * @param forgotten the deleted commands that were answered
 */
export function handledCommands(
  commands: readonly LaneCommand[],
  forgotten: readonly HandledCommand[],
  deleted: DeletedRecords,
  { isUnderWay = false }: Allowances,
  report: Report,
): readonly (readonly HandledCommand[])[] {
  const handled: HandledCommand[] = [...forgotten];
  const answeredBefore = new Map(forgotten.map(({ identity, place }) => [identity, place]));
  for (const [identity, same] of Map.groupBy(commands, (command) => command.identity)) {
    const [{ id }] = same as [LaneCommand];
    const before = answeredBefore.get(identity) ?? answeredBefore.get(formerIdentity(id));
    const answered = same.filter(({ answer }) => answer);
    const places = [
      ...(before === undefined ? [] : [before]),
      ...answered.map(({ place }) => place),
    ];
    if (places.length > 1)
      report('answered-twice', `the command ${id}, at ${places.join(' and at ')}`);
    checkRepeats(same, deleted, report);
    if (before !== undefined || (isUnderWay && answered.length === 0)) continue;
    const isLeft = same.some(({ letter }) => letter && letter.resolution !== 'redriven');
    const mayBeGone =
      same.some((command) => deleted.mayHaveAnswerTo(command)) ||
      deleted.mayHaveEarlierCopyOf(identity);
    const one = answered[0] ?? (isLeft || mayBeGone ? null : silentlyHandled(same));
    if (one) handled.push(one);
    else if (!isLeft && !mayBeGone)
      report('unanswered', `${id} was redriven, but did not come to the commands topic again`);
  }
  return [...Map.groupBy(handled, ({ partition }) => partition).values()].map((lane) =>
    lane.sort((a, b) => a.offset - b.offset),
  );
}

/**
 * Returns the copy that the lane handled without an answer: the first one. If the command was among
 * the dead letters, copies that came while it waited there were dropped. The last one was not.
 */
function silentlyHandled(same: readonly LaneCommand[]): LaneCommand | undefined {
  const left = same.slice(same.findLastIndex(({ letter }) => letter) + 1);
  return left.length === same.length ? left[0] : left.at(-1);
}

/**
 * Checks that the first of several equal commands in a lane is answered, whatever the later ones
 * say. The rule does not hold when the first one went to the dead letters.
 */
function checkRepeats(same: readonly LaneCommand[], deleted: DeletedRecords, report: Report): void {
  for (const { place, partition, offset } of same.filter(({ answer }) => answer)) {
    const before = same.filter((each) => each.partition === partition && each.offset < offset);
    const [first] = before.toSorted((one, other) => one.offset - other.offset);
    if (
      first &&
      !before.some(({ letter, answer }) => letter || answer) &&
      !before.some((each) => deleted.mayHaveAnswerTo(each))
    )
      report(
        'wrong-repeat',
        `${place} was answered instead of ${first.place}, an earlier copy of the same command`,
      );
  }
}
