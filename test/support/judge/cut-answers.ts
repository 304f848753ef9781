import type { History, HistoryRecord } from './history.ts';

/**
 * Returns the history without answers that retention has cut. Such an answer counts as deleted as a
 * whole.
 */
export function withoutCutAnswers(history: History): History {
  const { events, starts } = history;
  const cut = cutPartitions(starts?.events ?? new Map()).flatMap((partition) => {
    const left = events.filter((event) => event.partition === partition);
    const first = left.reduce<HistoryRecord | undefined>(
      (one, other) => (one && one.offset < other.offset ? one : other),
      undefined,
    );
    const [, rest] = /^(.+\/\d+\/\d+\.)\d+$/.exec(first?.headers.ce_id ?? '') ?? [];
    return rest === undefined ? [] : left.filter(({ headers }) => headers.ce_id?.startsWith(rest));
  });
  return cut.length === 0
    ? history
    : { ...history, events: events.filter((event) => !cut.includes(event)) };
}

/** Returns the partitions from which retention has deleted records. */
export function cutPartitions(starts: ReadonlyMap<number, number>): readonly number[] {
  return [...starts].filter(([, start]) => start > 0).map(([partition]) => partition);
}
