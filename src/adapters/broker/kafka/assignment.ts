import type { Consumer, EachBatchPayload } from 'kafkajs';
import type { AssignedPartition, ConsumeOptions, PartitionOwner } from '../../../service-layer/unit-of-work.ts';
import { isAnswer } from './client.ts';
import { decode } from './records.ts';

export const HEARTBEAT_MS = 500;

/**
 * The partitions that a member of a group has, and their owners. A partition has at most one open owner, which gets its records
 * in offset order, and none after this member knows that the partition is another's.
 */
export class KafkaAssignment {
  readonly #options: ConsumeOptions;
  /** Changes whenever the partitions are given up: what an owner of an earlier generation asks for is void. */
  #generation = 0;
  #owners = new Map<number, PartitionOwner>();
  #paused = new Set<number>();
  /** Where each partition that is not paused is read, anew with each resumption: below it nothing comes. */
  readonly #reading = new Map<number, { nextOffset: number }>();

  constructor(options: ConsumeOptions) {
    this.#options = options;
  }

  /** Pauses the partitions before anything is fetched, and finds each an owner, which resumes it from where it stands. */
  assign(consumer: Consumer, partitions: readonly number[]): void {
    void this.closeOwners();
    consumer.pause([{ topic: this.#options.topic, partitions: [...partitions] }]);
    this.#paused = new Set(partitions);
    for (const partition of partitions) this.#owners.set(partition, this.#options.assigned(this.#control(consumer, partition)));
  }

  #control(consumer: Consumer, partition: number): AssignedPartition {
    const { topic } = this.#options;
    const generation = this.#generation;
    const partitions = [partition];
    return {
      topic,
      partition,
      membership: () => null,
      giveBack: () => {},
      pause: () => {
        if (generation !== this.#generation) return;
        this.#paused.add(partition);
        whileRunning(() => consumer.pause([{ topic, partitions }]));
      },
      resumeFrom: (offset) => {
        if (generation !== this.#generation) return;
        this.#paused.delete(partition);
        this.#reading.set(partition, { nextOffset: offset });
        whileRunning(() => {
          consumer.seek({ topic, partition, offset: String(offset) });
          consumer.resume([{ topic, partitions }]);
        });
      },
    };
  }

  /** Whether kafkajs has gone back to the partition's beginning: the owner's position lies beyond the end, so it is another topic's. */
  hasGoneBack({ batch: { partition, messages }, isStale }: EachBatchPayload): boolean {
    const first = messages[0];
    if (!first || isStale() || !this.#owners.has(partition) || this.#paused.has(partition)) return false;
    return Number(first.offset) < (this.#reading.get(partition)?.nextOffset ?? 0);
  }

  /** Hands a delivery to the partition's owner, and keeps the membership alive meanwhile. @throws what a heartbeat threw */
  async deliver({ batch, heartbeat }: EachBatchPayload): Promise<void> {
    const { topic, partition, messages } = batch;
    const owner = this.#owners.get(partition);
    if (!owner || this.#paused.has(partition)) return;
    const reading = this.#reading.get(partition);
    let failure: unknown;
    const beating = setInterval(() => {
      heartbeat().catch((error: unknown) => {
        // It beats on all the same: the group waits for this member as long as it does.
        failure ??= error;
        // The partitions are going elsewhere. Any other failure kafkajs retries, without a new assignment.
        if (isAnswer(error, 'REBALANCE_IN_PROGRESS', 'ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID')) void this.closeOwners();
      });
    }, HEARTBEAT_MS);
    await owner.handle(messages.map((message) => decode(topic, partition, message)));
    clearInterval(beating);
    if (failure) throw failure;
    if (reading) reading.nextOffset = Number(batch.lastOffset()) + 1;
  }

  /** Pauses everything, so that the member lives on while its owners finish what they have in hand. */
  async giveUp(consumer: Consumer): Promise<void> {
    const partitions = [...this.#owners.keys()];
    this.#paused = new Set(partitions);
    whileRunning(() => consumer.pause([{ topic: this.#options.topic, partitions }]));
    await this.closeOwners();
  }

  async closeOwners(): Promise<void> {
    const owners = [...this.#owners.values()];
    this.#owners = new Map();
    this.#generation += 1;
    await Promise.all(owners.map((owner) => owner.close()));
  }
}

/** A consumer that is just crashing refuses these calls; its partitions are about to be given up. */
function whileRunning(control: () => void): void {
  try {
    control();
  } catch {}
}
