import { isMarker } from '../dead-letters/markers.ts';
import { type MessageSubject, subjectOf } from '../dead-letters/message-subject.ts';
import { headOf } from '../dead-letters/read-dead-letter.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

/** Chooses records by what they are about. An absent part lets every record pass. */
export interface RecordFilter {
  readonly type?: string;
  readonly sku?: string;
  readonly order?: string;
}

/** Tells whether the filter lets a message about this subject pass. */
export function isAbout(subject: MessageSubject, { type, sku, order }: RecordFilter): boolean {
  return (
    (type === undefined || subject.type === type) &&
    (sku === undefined || subject.skus.includes(sku)) &&
    (order === undefined || subject.orderid === order)
  );
}

/** Tells whether the filter lets everything pass. */
function isEmptyFilter({ type, sku, order }: RecordFilter): boolean {
  return type === undefined && sku === undefined && order === undefined;
}

/**
 * Tells whether the filter lets a command, or a dead letter, pass. A dead letter is also about the
 * products that the service knew when the command failed. If no product is known, the key counts as
 * one, as for `dead-letters list`. A marker is about nothing.
 */
export function letsPass(record: ReceivedRecord, filter: RecordFilter): boolean {
  if (isEmptyFilter(filter)) return true;
  if (isMarker(record)) return false;
  const subject = subjectOf(record);
  if (!Object.hasOwn(record.headers, 'dead-letter-reason')) return isAbout(subject, filter);
  const skus = [...subject.skus, ...headOf(record).skus];
  if (skus.length === 0 && record.key !== null) skus.push(record.key.toString());
  return isAbout({ ...subject, skus }, filter);
}
