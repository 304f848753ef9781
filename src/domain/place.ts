interface PartitionName {
  readonly topic: string;
  readonly partition: number;
}

/** Returns the place of a record as text: `topic/partition/offset`. */
export function placeOf(record: PartitionName & { readonly offset: number }): string {
  return `${laneName(record)}/${record.offset}`;
}

/** Returns the name of a lane, which is that of its partition: `topic/partition`. */
export function laneName({ topic, partition }: PartitionName): string {
  return `${topic}/${partition}`;
}
