import { identityAnswered, identityIn } from '../support/check-envelopes.ts';
import type { History, HistoryRecord } from '../support/check-history.ts';

/** A command was parked behind an answered one. Only an operator could release it. */
export interface ParkedTooLate {
  readonly kind: 'parked-behind-answered';
  readonly detail: string;
}

interface Parked {
  readonly place: string;
  readonly identity: string;
  readonly behind: readonly string[];
  readonly parkedAt: string;
}

/**
 * Looks for commands that were parked behind a failed one whose answer was committed before. A
 * command that was parked behind the failed one earlier, and is not answered yet, stands in the way
 * as well, under the failed one's name. Dead letters without a time are left out.
 */
export function parkedTooLate({ events, deadLetters }: History): readonly ParkedTooLate[] {
  const answeredAt = new Map(
    events.flatMap(({ headers, madeAt }) =>
      madeAt === undefined ? [] : [[identityAnswered(headers), madeAt]],
    ),
  );
  const ended = (identity: string) => answeredAt.get(identity) ?? '~';
  const parked = deadLetters.flatMap(parkedIn);
  return parked.flatMap(({ place, identity, behind, parkedAt }) => {
    const stands = (each: Parked) =>
      each.identity !== identity && each.parkedAt < parkedAt && ended(each.identity) > parkedAt;
    const isInTheWay = (failed: string) =>
      parked.some((each) => each.behind.includes(failed) && stands(each));
    const answered = behind.find((failed) => ended(failed) < parkedAt);
    if (
      answered === undefined ||
      behind.some((failed) => ended(failed) > parkedAt || isInTheWay(failed))
    )
      return [];
    const detail = `${place}, at ${parkedAt}, behind ${answered}, answered at ${ended(answered)}`;
    return [{ kind: 'parked-behind-answered' as const, detail }];
  });
}

function parkedIn({ headers, madeAt }: HistoryRecord): readonly Parked[] {
  const {
    'dead-letter-behind': behind = '[]',
    'dead-letter-partition': partition,
    'dead-letter-offset': offset,
  } = headers;
  const identity = headers['dead-letter-command-identity'];
  if (madeAt === undefined || identity === undefined) return [];
  const place = `${partition}/${offset}`;
  return [
    {
      place,
      identity: identityIn(identity),
      behind: (JSON.parse(behind) as string[]).map(identityIn),
      parkedAt: madeAt,
    },
  ];
}
