/** @throws {RangeError} the topic does not have the partition */
export function refuseMissing(partition: number, topic: string, partitions: number): void {
  if (partition < partitions) return;
  throw new RangeError(`There is no partition ${partition} of ${topic}, which has ${partitions}`);
}
