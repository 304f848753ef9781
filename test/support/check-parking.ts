import type { LaneCommand, Report } from './check-history.ts';

/** What one command has come to in one lane, however often it was sent. */
interface Story {
  readonly id: string;
  readonly identity: string;
  readonly partition: number;
  readonly firstOffset: number;
  /** By what it says itself, and what its answer says. */
  readonly subjects: ReadonlySet<string>;
  /** And what the batch or the order that it names may belong to. */
  readonly possibleSubjects: ReadonlySet<string>;
  /** When it stood in nobody's way any more; infinity: it still does; null: somewhere else, or nobody can tell. */
  readonly closedOffset: number | null;
  /** Of those that went to the dead letters because a handler failed, on it or on one before it. */
  readonly parkedOffsets: readonly number[];
}

const PARKED = new Set(['handler-failed', 'parked-behind']);

/**
 * What follows a failed command about the same product, batch or order waits for it, and nothing else does. What came first is
 * known within a lane only, so only there it is asked for.
 * @param areSomeDeleted which product a batch or an order belongs to may be unknown, and so why something was parked
 */
export function checkParking(
  commands: readonly LaneCommand[],
  areSomeDeleted: boolean,
  report: Report,
): void {
  const skus = new SkusByName(commands);
  const stories = [
    ...Map.groupBy(commands, ({ identity, partition }) => `${partition} ${identity}`).values(),
  ].map((same) => storyOf(same, skus));
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
        `${id} at ${place}: nothing about ${[...subjects]} stood before it`,
      );
  }
}

function storyOf(same: readonly LaneCommand[], skus: SkusByName): Story {
  const [first] = same as [LaneCommand];
  const answered = same.find(({ answer }) => answer);
  const isDiscarded = same.some(({ letter }) => letter?.resolution === 'discarded');
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
    // Whoever discards tells the database first and the topic later: when it counted is not to be seen. If it comes again, it is new.
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

/** The products to which a batch or an order that a command names may belong. */
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
