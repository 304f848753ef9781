import type { LaneReport } from '../entrypoints/lane-report.ts';
import type { LanePause } from '../service-layer/lane-store.ts';
import type { LaneStatus, ServiceStatus } from './service-status.ts';

interface KnownLanes {
  /** The name of this instance. */
  readonly instance: string;
  /** The lanes of this instance. */
  readonly own: readonly LaneReport[];
  /** The end offset of each known partition. */
  readonly ends: ReadonlyMap<number, number>;
  readonly pauses: ReadonlyMap<number, LanePause>;
  /** The members of the group. Null: not known. */
  readonly members: ServiceStatus['members'] | null;
}

/** Lists each known partition, in order. Only the lanes of this instance have all numbers. */
export function laneTable(known: KnownLanes): LaneStatus[] {
  const { instance, own, ends, pauses, members } = known;
  const reports = new Map(own.map((report) => [report.partition, report]));
  const owners = new Map(
    members?.flatMap((member) => member.partitions.map((each) => [each, member.instance] as const)),
  );
  const partitions = new Set([
    ...reports.keys(),
    ...owners.keys(),
    ...ends.keys(),
    ...pauses.keys(),
  ]);
  return [...partitions]
    .toSorted((one, other) => one - other)
    .map((partition) => {
      const report = reports.get(partition);
      if (report) return ownLane(report, instance);
      const pause = pauses.get(partition) ?? null;
      const owner = owners.get(partition) ?? null;
      const isUnassigned = owner === null && members !== null;
      const state = isUnassigned ? 'unassigned' : 'elsewhere';
      return {
        ...UNKNOWN,
        partition,
        instance: owner,
        state: pause === null ? state : 'paused',
        endOffset: ends.get(partition) ?? null,
        paused: pause,
      };
    });
}

function ownLane(report: LaneReport, instance: string): LaneStatus {
  const { decidedCount: _, pause: paused, ...lane } = report;
  return { ...lane, instance, paused };
}

const UNKNOWN = {
  problem: null,
  position: null,
  committedOffset: null,
  lagMessages: null,
  lagSeconds: null,
  lastReopening: null,
} as const;
