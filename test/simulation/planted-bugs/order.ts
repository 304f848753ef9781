import type { OffsetRange } from '../../../src/service-layer/broker.ts';
import { type Parts, withBroker, withStore } from './planting.ts';

const LATER_MS = 3_600_000;

/** Bugs that reject a command as unknown before all earlier accepted commands are decided. */
export const orderPlants = {
  'a command is rejected as unknown at once': (parts) =>
    asking(parts, (ranges) => ranges.map((range) => ({ ...range, end: 0 }))),
  'the ends of partitions are those of the question before': (parts) => {
    let before: readonly OffsetRange[] | undefined;
    return asking(parts, (ranges) => {
      const known = before ?? ranges;
      before = ranges;
      return known;
    });
  },
  'only the first partition is waited for': (parts) =>
    asking(parts, (ranges) => ranges.slice(0, 1)),
  'a lane that waits before an earlier command is not waited for': (parts) =>
    withStore(parts, {
      readStandings: async (topic) =>
        (await parts.store.readStandings(topic)).map((lane) =>
          lane.nextTimestampMs === null
            ? lane
            : { ...lane, nextTimestampMs: lane.nextTimestampMs + LATER_MS },
        ),
    }),
  'a lane says when it waits instead of when its command was sent': (parts) =>
    withStore(parts, {
      noteNext: (lane) => parts.store.noteNext({ ...lane, nextTimestampMs: Date.now() }),
    }),
  'a lane has decided what lies one delivery ahead': (parts) =>
    withStore(parts, {
      readStandings: async (topic) =>
        (await parts.store.readStandings(topic)).map((lane) => ({
          ...lane,
          nextOffset: lane.nextOffset + 3,
        })),
    }),
} satisfies Record<string, (parts: Parts) => Parts>;

/** Changes the ends of partitions for lanes that ask about all of them. */
function asking(
  parts: Parts,
  change: (ranges: readonly OffsetRange[]) => readonly OffsetRange[],
): Parts {
  return withBroker(parts, {
    offsetRanges: async (topic, partitions) => {
      const ranges = await parts.broker.offsetRanges(topic, partitions);
      return topic === 'commands' && partitions === undefined ? change(ranges) : ranges;
    },
  });
}
