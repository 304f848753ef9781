import type { LogRecord } from '../../../src/service-layer/records.ts';
import type { AbuseClass, Outcome } from './abuse-class.ts';
import { byteAbuse } from './bytes.ts';
import { cloudEventAbuse } from './cloud-events.ts';
import { headerAndSizeAbuse } from './headers-and-sizes.ts';
import { identityAbuse } from './identities.ts';
import { jsonAbuse } from './json-texts.ts';
import { nameAbuse } from './names.ts';
import { numberAbuse } from './numbers.ts';
import { orderLineAbuse } from './order-lines.ts';

/** One message of a class. */
export interface AbusiveMessage {
  readonly className: string;
  readonly outcome: Outcome;
  readonly record: LogRecord;
}

/** All classes. The seed of a class depends on its place in this list. */
const classes: readonly AbuseClass[] = [
  ...nameAbuse,
  ...numberAbuse,
  ...jsonAbuse,
  ...byteAbuse,
  ...orderLineAbuse,
  ...cloudEventAbuse,
  ...identityAbuse,
  ...headerAndSizeAbuse,
];

/** The number of classes. */
export const classCount = classes.length;

/**
 * Returns at least `count` messages of all classes, class by class. The same seed gives the same
 * messages.
 */
export function abusiveMessages(seed: number, count: number): readonly AbusiveMessage[] {
  const fixed = classes.reduce((sum, each) => sum + (each.count ?? 0), 0);
  const share = Math.ceil((count - fixed) / classes.filter((each) => each.count === null).length);
  return classes.flatMap(({ name, outcome, count: own, records }, index) =>
    records(seed + index, own ?? share).map((record) => ({ className: name, outcome, record })),
  );
}
