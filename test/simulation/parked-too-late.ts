import type { History, HistoryRecord } from '../support/judge/history.ts';
import { identityAnswered, identityIn } from '../support/judge/identity.ts';

/** A command was parked behind an answered one. Only an operator could release it. */
export interface ParkedTooLate {
  readonly kind: 'parked-behind-answered';
  readonly detail: string;
}

/**
 * A step of a lane. The steps of one transaction have one time, and the order of their commands.
 */
interface Step {
  /** When the transaction was committed. */
  readonly at: string;
  readonly offset: number;
}

interface Parked extends Step {
  readonly place: string;
  readonly identity: string;
  readonly behind: readonly string[];
}

const NEVER: Step = { at: '~', offset: 0 };

/**
 * Looks for commands that were parked behind a failed one that was answered before. A command that
 * was parked behind the failed one earlier, and is not answered yet, stands in the way as well,
 * under the failed one's name. Dead letters without a time are left out.
 */
export function parkedTooLate({ events, deadLetters }: History): readonly ParkedTooLate[] {
  const answers = new Map(
    events.flatMap(({ headers, madeAt }) => {
      const offset = Number(/(\d+)(?:\.\d+)?$/.exec(headers.ce_id ?? '')?.[1]);
      return madeAt === undefined ? [] : [[identityAnswered(headers), { at: madeAt, offset }]];
    }),
  );
  const ended = (identity: string): Step => answers.get(identity) ?? NEVER;
  const parked = deadLetters.flatMap(parkedIn);
  return parked.flatMap((late) => {
    const { place, identity, behind, at } = late;
    const stands = (each: Parked) =>
      each.identity !== identity && isBefore(each, late) && isBefore(late, ended(each.identity));
    const isInTheWay = (failed: string) =>
      parked.some((each) => each.behind.includes(failed) && stands(each));
    const answered = behind.find((failed) => isBefore(ended(failed), late));
    if (
      answered === undefined ||
      behind.some((failed) => isBefore(late, ended(failed)) || isInTheWay(failed))
    )
      return [];
    const detail = `${place}, at ${at}, behind ${answered}, answered at ${ended(answered).at}`;
    return [{ kind: 'parked-behind-answered' as const, detail }];
  });
}

function isBefore(one: Step, other: Step): boolean {
  return one.at === other.at ? one.offset < other.offset : one.at < other.at;
}

function parkedIn({ headers, madeAt }: HistoryRecord): readonly Parked[] {
  const {
    'dead-letter-behind': behind = '[]',
    'dead-letter-partition': partition,
    'dead-letter-offset': offset,
  } = headers;
  const identity = headers['dead-letter-command-identity'];
  if (madeAt === undefined || identity === undefined) return [];
  return [
    {
      place: `${partition}/${offset}`,
      offset: Number(offset),
      identity: identityIn(identity),
      behind: (JSON.parse(behind) as string[]).map(identityIn),
      at: madeAt,
    },
  ];
}
