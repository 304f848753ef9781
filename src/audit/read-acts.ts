import { AUDIT_SOURCE, OPERATOR_ACTED } from '../messages/operator-acts.ts';
import type { Broker, OffsetRange } from '../service-layer/broker.ts';
import type { ReceivedRecord } from '../service-layer/records.ts';

/** One record of the audit topic: an act begins or ends. */
export interface RecordedAct {
  /** The id of the act. Both of its records have it. */
  readonly id: string;
  /** When the record was written, ISO 8601. */
  readonly at: string;
  readonly act: string;
  readonly state: string;
  readonly by: string;
  readonly from: string;
  /** Further fields of the record, as the contract describes them. */
  readonly [field: string]: unknown;
}

interface ActPage {
  readonly acts: RecordedAct[];
  /** The cursor of the next page, with older acts. Null: this page is the last. */
  readonly next: string | null;
}

/** Matches a cursor: the offset in each partition before which the next page begins. */
export const ACT_CURSOR = /^\d{1,10}:\d{1,16}(,\d{1,10}:\d{1,16}){0,9999}$/;

/**
 * Reads a page of the audit topic, the newest records first. Reads at most `limit` records of each
 * partition, wherever the page begins. Leaves out records that are no acts.
 *
 * @param after the cursor of the page; null: the newest page
 * @throws {TroubleError} the log cannot be reached, or the topic does not exist
 */
export async function readActs(
  broker: Pick<Broker, 'read' | 'offsetRanges'>,
  topic: string,
  limit: number,
  after: string | null,
): Promise<ActPage> {
  const whole = await broker.offsetRanges(topic);
  const windows = (after === null ? whole : cutAt(whole, after)).map((range) => {
    const beginning = Math.max(range.beginning, range.end - limit);
    return { ...range, beginning, hasOlder: beginning > range.beginning };
  });
  const unread = new Map<number, ReceivedRecord[]>();
  await broker.read(topic, windows, async ({ partition, records }) => {
    unread.set(partition, [...(unread.get(partition) ?? []), ...records]);
  });
  const newest = takeNewest([...unread.values()], limit);
  const rest = windows.map(({ partition, beginning, hasOlder }) => {
    const last = unread.get(partition)?.at(-1);
    return { partition, end: last ? last.offset + 1 : beginning, hasMore: hasOlder || !!last };
  });
  return {
    acts: newest.flatMap((record) => actIn(record) ?? []),
    next: rest.some(({ hasMore }) => hasMore)
      ? rest.map(({ partition, end }) => `${partition}:${end}`).join(',')
      : null,
  };
}

/**
 * Takes the newest records off the ends of the partitions. So the records of a partition keep their
 * order, whatever the clocks of their writers say.
 */
function takeNewest(partitions: readonly ReceivedRecord[][], limit: number): ReceivedRecord[] {
  const newest: ReceivedRecord[] = [];
  const lastOf = (records: readonly ReceivedRecord[]) =>
    records.at(-1)?.timestampMs ?? Number.NEGATIVE_INFINITY;
  while (newest.length < limit) {
    const [first = [], ...others] = partitions;
    const latest = others.reduce(
      (one, other) => (lastOf(other) > lastOf(one) ? other : one),
      first,
    );
    const record = latest.pop();
    if (!record) break;
    newest.push(record);
  }
  return newest;
}

/**
 * Cuts the ranges at the cursor. A partition that the cursor does not name came later, and has only
 * newer records.
 */
function cutAt(ranges: readonly OffsetRange[], cursor: string): readonly OffsetRange[] {
  const ends = new Map(
    cursor.split(',').map((part) => part.split(':').map(Number) as [number, number]),
  );
  return ranges.map(({ partition, beginning, end }) => {
    const cut = Math.min(end, ends.get(partition) ?? beginning);
    return { partition, beginning, end: Math.max(beginning, cut) };
  });
}

/**
 * Reads the act in a record, even an act that only newer releases know. Null: the record is no act.
 */
function actIn({ headers, value }: ReceivedRecord): RecordedAct | null {
  const { ce_source: source, ce_type: type, ce_subject: id, ce_time: at } = headers;
  if (String(source) !== AUDIT_SOURCE || String(type) !== OPERATOR_ACTED) return null;
  const data = dataIn(value);
  const isAct = ['act', 'state', 'by', 'from'].every((name) => typeof data?.[name] === 'string');
  return isAct ? ({ ...data, id: String(id), at: String(at) } as RecordedAct) : null;
}

function dataIn(value: Buffer | null): Readonly<Record<string, unknown>> | null {
  try {
    const data: unknown = JSON.parse(String(value));
    return typeof data === 'object' && data !== null ? { ...data } : null;
  } catch {
    return null;
  }
}
