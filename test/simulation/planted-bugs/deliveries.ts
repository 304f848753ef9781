import { over } from '../../support/over.ts';
import { handling, type Parts, withBroker } from './planting.ts';

/** Longer than a history, and shorter than most jumps of its clocks. */
const OLD_MS = 3_600_000;
/** Of that many records, one is taken for unreadable. */
const SOME = 20;

/** Bugs of a delivery that comes in. */
export const deliveryPlants = {
  'a partition resumes one command too late': (parts) =>
    withBroker(parts, {
      consume: ({ openOwner, ...options }) =>
        parts.broker.consume({
          ...options,
          openOwner: (partition) =>
            openOwner(
              over(partition, { resumeFrom: (offset) => partition.resumeFrom(offset + 1) }),
            ),
        }),
    }),
  'a delivery is sorted by key': (parts) =>
    handling(parts, (records, handle) =>
      handle(records.toSorted((one, other) => (String(one.key) < String(other.key) ? -1 : 1))),
    ),
  'a command that is old by the clock is skipped': (parts) =>
    handling(parts, (records, handle) =>
      handle(
        records.filter(
          ({ timestampMs }) => timestampMs > parts.answerContext.clock().getTime() - OLD_MS,
        ),
      ),
    ),

  'a good command is taken for unreadable': (parts) =>
    handling(parts, (records, handle) =>
      handle(
        records.map((record) =>
          record.offset % SOME === 0 ? { ...record, value: Buffer.from('{') } : record,
        ),
      ),
    ),
} satisfies Record<string, (parts: Parts) => Parts>;
