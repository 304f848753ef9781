import { beforeEach, describe, expect, it } from 'vitest';
import { KnownLanes } from '../../../src/entrypoints/known-lanes.ts';
import { PartitionEnds } from '../../../src/entrypoints/partition-ends.ts';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { LaneStore } from '../../../src/service-layer/lane-store.ts';
import { eventually } from '../../support/eventually.ts';

const topic = 'commands';
const end = (partition: number, nextOffset = 10) => ({ topic, partition, nextOffset });

describe('A look for records of lanes that stand still', () => {
  /** The reads that the broker has not answered, in the order of their beginnings. */
  let reads: (PromiseWithResolvers<void> & { readonly partition: number })[];
  let lanes: KnownLanes;

  beforeEach(() => {
    reads = [];
    const broker = {
      read: (_: string, [range]: readonly OffsetRange[]) => {
        const read = Promise.withResolvers<void>();
        reads.push({ ...read, partition: range?.partition ?? -1 });
        return read.promise;
      },
    } as unknown as Broker;
    lanes = new KnownLanes(broker, {} as LaneStore, new PartitionEnds(broker));
  });

  it('reads once for each lane while the broker does not answer', () => {
    for (let look = 0; look < 10; look += 1) lanes.lookForRecords([end(1), end(2)]);
    expect(reads.map(({ partition }) => partition)).toEqual([1, 2]);
  });

  it('reads again after a read that the broker has failed', async () => {
    lanes.lookForRecords([end(1)]);
    reads[0]?.reject(new Error('no leader'));
    await eventually(() => {
      lanes.lookForRecords([end(1)]);
      expect(reads).toHaveLength(2);
    });
  });

  it('goes on behind the end that a read has found empty', async () => {
    lanes.lookForRecords([end(1, 10)]);
    reads[0]?.resolve();
    await eventually(() => expect(lanes.isReached(end(1, 10))).toBe(true));
    await eventually(() => {
      lanes.lookForRecords([end(1, 12)]);
      expect(reads).toHaveLength(2);
    });
    expect(lanes.isReached(end(1, 12))).toBe(false);
  });
});
