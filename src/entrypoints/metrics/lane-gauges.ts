import { type LaneReport, REPORTED_STATES } from '../lane-report.ts';
import type { RelayQueue } from '../outbox-relay.ts';
import { type MetricBook, PARTITION, type Sample } from './book.ts';

export interface LaneSources {
  /** Reports each lane of this process. */
  readonly lanes: () => readonly LaneReport[];
  /** Counts the partitions that this process gave back because the database does not fit. */
  readonly givenBackPartitions: () => number;
  /** The answers of each lane that wait for their publication. */
  readonly relayQueues: () => readonly (RelayQueue & { readonly partition: number })[];
  /** The partitions that each lane waits for before it rejects a command. */
  readonly awaitedPartitions: () => readonly (readonly number[])[];
}

/** Exports the lanes of this process, from memory. What is not known has no sample. */
export function exportLanes(book: MetricBook, sources: LaneSources): void {
  exportStates(book, sources);
  exportProgress(book, sources.lanes);
  exportQueues(book, sources.relayQueues);
  book.gauge(
    {
      name: 'allocation_order_waiting_lanes',
      help: 'Lanes that wait before they reject a command as unknown, by the lane they wait for',
      labels: { for: PARTITION },
    },
    () => {
      const counts = new Map<number, number>();
      for (const partition of sources.awaitedPartitions().flat())
        counts.set(partition, (counts.get(partition) ?? 0) + 1);
      return [...counts].map(([partition, value]) => ({ labels: { for: partition }, value }));
    },
  );
}

function exportStates(book: MetricBook, { lanes, givenBackPartitions }: LaneSources): void {
  book.gauge(
    {
      name: 'allocation_lanes',
      help:
        'Lanes of this process, each in one state. refused: the database does not fit ' +
        '(partitions that were given back for this count too); stuck: commands or answers have ' +
        'waited for 30 s, and nothing moves',
      labels: { state: REPORTED_STATES },
    },
    () => {
      const reports = lanes();
      return REPORTED_STATES.map((state) => ({
        labels: { state },
        value:
          reports.filter((lane) => lane.state === state).length +
          (state === 'refused' ? givenBackPartitions() : 0),
      }));
    },
  );
  book.gauge(
    {
      name: 'allocation_lane_state',
      help: '1 for the present state of each lane of this process; other states have no series',
      labels: { partition: PARTITION, state: REPORTED_STATES },
    },
    () => lanes().map(({ partition, state }) => ({ labels: { partition, state }, value: 1 })),
  );
}

const PROGRESS = [
  {
    name: 'allocation_lane_position_offset',
    help: 'D: the offset of the next command that the lane decides',
    read: ({ position }: LaneReport) => position,
  },
  {
    name: 'allocation_lane_committed_offset',
    help: 'C: the answers to all commands below this offset are published and committed',
    read: ({ committedOffset }: LaneReport) => committedOffset,
  },
  {
    name: 'allocation_lag_messages',
    help:
      'Offsets that the lane has still to decide. The end of the partition is up to 5 s old, and ' +
      'markers of transactions count too',
    read: ({ lagMessages }: LaneReport) => lagMessages,
  },
  {
    name: 'allocation_lag_seconds',
    help:
      'Age of the oldest command that reached the lane and has no published answer, by the ' +
      'timestamp of its record; 0: nothing waits',
    read: ({ lagSeconds }: LaneReport) => lagSeconds,
  },
] as const;

function exportProgress(book: MetricBook, lanes: LaneSources['lanes']): void {
  for (const { name, help, read } of PROGRESS)
    book.gauge({ name, help, labels: { partition: PARTITION } }, () =>
      lanes().flatMap((lane) => sampleOf(lane.partition, read(lane))),
    );
}

function exportQueues(book: MetricBook, relayQueues: LaneSources['relayQueues']): void {
  book.gauge(
    {
      name: 'allocation_relay_queue_records',
      help: 'Answers of the lane that are committed and wait for their publication',
      labels: { partition: PARTITION },
    },
    () => relayQueues().flatMap((queue) => sampleOf(queue.partition, queue.queuedRecords)),
  );
  book.gauge(
    {
      name: 'allocation_outbox_oldest_seconds',
      help: 'How long the oldest of these answers has waited; 0: none waits',
      labels: { partition: PARTITION },
    },
    () =>
      relayQueues().flatMap(({ partition, oldestMs }) =>
        sampleOf(partition, oldestMs === null ? 0 : Math.max(0, Date.now() - oldestMs) / 1_000),
      ),
  );
}

function sampleOf(partition: number, value: number | null): readonly Sample[] {
  return value === null ? [] : [{ labels: { partition }, value }];
}
