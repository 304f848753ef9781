import { identityAnswered, identityIn } from '../support/check-envelopes.ts';
import type { History } from '../support/check-history.ts';

/** A command was parked behind one that had been answered: nothing but an operator lets it go again. */
export interface ParkedTooLate {
  readonly kind: 'parked-behind-answered';
  readonly detail: string;
}

/** Looks for commands that were parked behind one whose answer was committed before. Only where it is known when that was. */
export function parkedTooLate({ events, deadLetters }: History): readonly ParkedTooLate[] {
  const answeredAt = new Map(events.flatMap(({ headers, madeAt }) => (madeAt === undefined ? [] : [[identityAnswered(headers), madeAt]])));
  return deadLetters.flatMap(({ headers, madeAt }) => {
    const { 'dead-letter-behind': behind = '[]', 'dead-letter-partition': partition, 'dead-letter-offset': offset } = headers;
    if (madeAt === undefined) return [];
    const failed = (JSON.parse(behind) as string[]).map(identityIn).find((identity) => (answeredAt.get(identity) ?? '~') < madeAt);
    const detail = `${partition}/${offset}, at ${madeAt}, behind ${failed}, answered at ${answeredAt.get(failed ?? '')}`;
    return failed === undefined ? [] : [{ kind: 'parked-behind-answered' as const, detail }];
  });
}
