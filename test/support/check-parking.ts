import type { LaneCommand, Report } from './check-history.ts';

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

const PARKED = new Set(['handler-failed', 'parked-behind']);

/**
 * Checks that later commands about the same product, batch or order wait for a failed command, and
 * that no other command waits. The order of commands is known only within a lane, so the judge asks
 * for it only there.
 * @param areSomeDeleted whether commands were deleted, so that the product of a batch or order, and
 * the reason for parking, may be unknown
 * @param mayBeDiscarded whether an operator began to discard the command
 */
export function checkParking(
  commands: readonly LaneCommand[],
  areSomeDeleted: boolean,
  mayBeDiscarded: (command: LaneCommand) => boolean,
  report: Report,
): void {
  const skus = new SkusByName(commands);
  const stories = [
    ...Map.groupBy(commands, ({ identity, partition }) => `${partition} ${identity}`).values(),
  ].map((same) => storyOf(same, skus, mayBeDiscarded));
  const parked = stories.filter(({ parkedOffsets }) => parkedOffsets.length > 0);
  for (const earlier of parked) {
    const { closedOffset, partition } = earlier;
    if (closedOffset === null) continue;
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
  for (const { place, partition, offset, id, identity, body, letter } of areSomeDeleted
    ? []
    : commands) {
    if (letter?.reason !== 'parked-behind') continue;
    const subjects = new Set([...named(body), ...skus.of(body)]);
    const stood = (story: Story) =>
      story.partition !== partition ||
      (story.parkedOffsets.some((parkedOffset) => parkedOffset < offset) &&
        (story.closedOffset ?? offset) >= offset);
    const isRight = parked.some(
      (story) =>
        story.identity !== identity &&
        stood(story) &&
        !story.possibleSubjects.isDisjointFrom(subjects),
    );
    if (!isRight)
      report(
        'parked-for-nothing',
        `${id} at ${place}: no failed command about ${[...subjects]} came before`,
      );
  }
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
  const told = (answered?.answer?.events ?? []).flatMap(({ sku }) =>
    sku === undefined ? [] : [`sku:${sku}`],
  );
  return {
    id: first.id,
    identity: first.identity,
    partition: first.partition,
    firstOffset: Math.min(...same.map(({ offset }) => offset)),
    subjects: new Set([...named(first.body), ...told]),
    possibleSubjects: new Set([...named(first.body), ...skus.of(first.body)]),
    // A discard reaches the database before the topic, so the topic does not show when it took
    // effect, or whether it did: an operator who died in between may redrive the command later. A
    // discarded command that comes again is new.
    closedOffset: isDiscarded
      ? null
      : (answered?.offset ?? (isOpen ? Number.POSITIVE_INFINITY : null)),
    parkedOffsets: same.flatMap(({ letter, offset }) =>
      letter && PARKED.has(letter.reason) ? [offset] : [],
    ),
  };
}

function named(body: LaneCommand['body']): readonly string[] {
  const { reference, orderid, sku } = body as Record<string, string | undefined>;
  const lines = (body.lines ?? []) as readonly { readonly sku: string }[];
  const subject = (kind: string, name: string | null | undefined) =>
    name === undefined || name === null ? [] : [`${kind}:${name}`];
  return [
    ...subject('batch', reference),
    ...subject('order', orderid),
    ...subject('sku', sku),
    ...lines.flatMap((line) => subject('sku', line.sku)),
  ];
}

/**
 * Knows the products to which a batch or an order may belong, by the name of the batch or order.
 */
class SkusByName {
  readonly #skus = new Map<string, Set<string>>();

  constructor(commands: readonly LaneCommand[]) {
    for (const { body } of commands) {
      const subjects = named(body);
      for (const name of subjects.filter((subject) => !subject.startsWith('sku:')))
        this.#skus.set(
          name,
          new Set([
            ...(this.#skus.get(name) ?? []),
            ...subjects.filter((subject) => subject.startsWith('sku:')),
          ]),
        );
    }
  }

  of(body: LaneCommand['body']): readonly string[] {
    return named(body).flatMap((name) => [...(this.#skus.get(name) ?? [])]);
  }
}
