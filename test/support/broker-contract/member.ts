import type {
  AssignedPartition,
  PartitionOwner,
} from '../../../src/service-layer/consumer-group.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

/**
 * An owner that takes every record, from an offset that the test chooses. Null: the partition stays
 * paused.
 */
class Owner implements PartitionOwner {
  readonly assigned: AssignedPartition;
  readonly received: ReceivedRecord[] = [];
  isClosed = false;

  constructor(assigned: AssignedPartition, fromOffset: number | null) {
    this.assigned = assigned;
    if (fromOffset !== null) assigned.resumeFrom(fromOffset);
  }

  async handle(records: readonly ReceivedRecord[]): Promise<void> {
    this.received.push(...records);
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** A member of a group, with an owner for each partition that it ever got. */
export class Member {
  readonly owners: Owner[] = [];
  readonly #fromOffset: number | null;

  constructor(fromOffset: number | null = 0) {
    this.#fromOffset = fromOffset;
  }

  readonly openOwner = (partition: AssignedPartition): Owner => {
    const owner = new Owner(partition, this.#fromOffset);
    this.owners.push(owner);
    return owner;
  };

  /** Returns the open owner of the partition. */
  owner(partition: number): Owner {
    const owner = this.owners.findLast(
      (each) => each.assigned.partition === partition && !each.isClosed,
    );
    if (!owner) throw new Error(`Partition ${partition} has no owner yet`);
    return owner;
  }

  values(): string[] {
    return this.owners.flatMap(({ received }) => received.map(({ value }) => String(value)));
  }
}
