import { Partitioners } from 'kafkajs';

const choose = Partitioners.DefaultPartitioner();

/** Returns the partition that belongs to a key, as both brokers and Java's producer choose it. */
export function partitionOfKey(key: string, partitions: number): number {
  const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
    partitionId,
    leader: 0,
  }));
  return choose({
    topic: '',
    partitionMetadata: partitionMetadata as never,
    message: { key, value: null },
  });
}
