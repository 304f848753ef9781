import { beforeEach, describe, expect, it } from 'vitest';
import { SampledPartition } from '../../../../src/adapters/broker/kafka/sampled-partition.ts';
import type { AssignedPartition } from '../../../../src/service-layer/consumer-group.ts';
import { TroubleError } from '../../../../src/service-layer/errors.ts';
import type { ReceivedRecord } from '../../../../src/service-layer/records.ts';

const EVERY_MS = 20;

describe('A partition that is sampled', () => {
  /** What the partition tells: offsets, and where it goes on. */
  let told: (number | { readonly skippedTo: number })[];
  let resumed: number[];
  let busy: Set<SampledPartition>;
  let end: () => Promise<number>;

  beforeEach(() => {
    [told, resumed, busy, end] = [[], [], new Set(), async () => 10];
  });

  function openPartition(maxRecords: number): SampledPartition {
    const assigned = { resumeFrom: (offset: number) => resumed.push(offset), partition: 0 };
    const onSkipped = (_partition: number, skippedTo: number) => told.push({ skippedTo });
    return new SampledPartition(
      assigned as unknown as AssignedPartition,
      { everyMs: EVERY_MS, maxRecords, onSkipped },
      {
        busy,
        end: () => end(),
        deliver: async (records) => void told.push(...records.map(({ offset }) => offset)),
      },
    );
  }

  const records = (...offsets: number[]) =>
    offsets.map((offset) => ({ offset })) as ReceivedRecord[];

  it('goes on near the end after its time, and not earlier', async () => {
    const beganAtMs = performance.now();
    await openPartition(4).handle(records(0, 1, 2));
    // Node rounds its timers to milliseconds.
    expect(performance.now() - beganAtMs).toBeGreaterThan(EVERY_MS - 2);
    expect([told, resumed]).toEqual([[0, 1, 2, { skippedTo: 6 }], [6]]);
  });

  it('leaves nothing out if no more came than it delivers', async () => {
    end = async () => 7;
    await openPartition(4).handle(records(0, 1, 2));
    expect([told, resumed]).toEqual([[0, 1, 2], []]);
  });

  it('goes on behind its records if the end cannot be asked for', async () => {
    end = async () => Promise.reject(new TroubleError('The leader is away'));
    await openPartition(4).handle(records(0, 1, 2));
    expect([told, resumed]).toEqual([[0, 1, 2], []]);
  });

  it('shares the records with the other partitions that have some, at least one', async () => {
    const handled = Array.from({ length: 3 }, () => openPartition(2).handle(records(0, 1, 2, 3)));
    expect(told).toEqual([{ skippedTo: 2 }, 2, 3, { skippedTo: 3 }, 3, { skippedTo: 3 }, 3]);
    await Promise.all(handled);
    expect(busy.size).toBe(0);
  });

  it('does nothing more when it closes during its pause', async () => {
    let isAsked = false;
    end = async () => {
      isAsked = true;
      return 10;
    };
    const partition = openPartition(4);
    const handled = partition.handle(records(0));
    await partition.close();
    await handled;
    expect([told, resumed, isAsked]).toEqual([[0], [], false]);
  });

  it('does nothing more when it closes while it asks for the end', async () => {
    const partition = openPartition(4);
    end = async () => {
      await partition.close();
      return 10;
    };
    await partition.handle(records(0));
    expect([told, resumed]).toEqual([[0], []]);
  });
});
