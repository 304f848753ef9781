import type { EpochEnd } from '../../../../service-layer/broker.ts';
import { type Exchange, exchange } from './exchange.ts';

/** The committed offset of one partition, as Kafka answers it. */
interface CommittedOffset {
  readonly partition: number;
  readonly errorCode: number;
  /** An offset below 0 means that the group has committed none. */
  readonly offset: number;
}

export interface CommittedOffsets {
  readonly errorCode: number;
  readonly partitions: readonly CommittedOffset[];
}

/**
 * Makes the request that asks a group's coordinator for the committed offsets of the partitions.
 *
 * @param isStable makes the coordinator answer UNSTABLE_OFFSET_COMMIT while a transaction has an
 * offset for the partition that is not applied yet
 *
 * Source: Apache Kafka, protocol guide, OffsetFetch v7 (KIP-447, Kafka 2.5).
 */
export function committedOffsets(
  group: string,
  topic: string,
  partitions: readonly number[],
  isStable: boolean,
): Exchange<CommittedOffsets> {
  return exchange<CommittedOffsets>(
    { apiKey: 9, apiVersion: 7, apiName: 'OffsetFetch', topics: [topic], group },
    (encoder) => {
      encoder.writeUVarInt(0).writeUVarIntString(group); // no tags, group
      encoder
        .writeUVarInt(2)
        .writeUVarIntString(topic)
        .writeUVarInt(partitions.length + 1);
      for (const partition of partitions) encoder.writeInt32(partition);
      return encoder.writeUVarInt(0).writeBoolean(isStable).writeUVarInt(0);
    },
    (decoder) => {
      decoder.readTaggedFields();
      decoder.readInt32(); // throttle time
      const topics = decoder.readUVarIntArray((each) => {
        each.readUVarIntString(); // topic
        const partitions = each.readUVarIntArray((of) => {
          const partition = of.readInt32();
          const offset = Number(of.readInt64());
          of.readInt32(); // leader epoch
          of.readUVarIntString(); // metadata
          const answer = { partition, offset, errorCode: of.readInt16() };
          of.readTaggedFields();
          return answer;
        });
        each.readTaggedFields();
        return partitions ?? [];
      });
      return { errorCode: decoder.readInt16(), partitions: (topics ?? []).flat() };
    },
  );
}

const NOT_GIVEN = -1;

/**
 * Makes the request that asks a partition's leader where a leader epoch ends. The answer has the
 * offset after the last record of this epoch or an earlier one. An offset below 0 means that the
 * leader does not know the epoch.
 *
 * Source: Apache Kafka, protocol guide, OffsetForLeaderEpoch v3 (KIP-320).
 */
export function endOfEpoch(
  topic: string,
  partition: number,
  leaderEpoch: number,
): Exchange<EpochEnd & { readonly errorCode: number }> {
  return exchange(
    { apiKey: 23, apiVersion: 3, apiName: 'OffsetForLeaderEpoch', topics: [topic] },
    (encoder) => {
      encoder
        .writeInt32(NOT_GIVEN)
        .writeInt32(1)
        .writeString(topic)
        .writeInt32(1)
        .writeInt32(partition);
      return encoder.writeInt32(NOT_GIVEN).writeInt32(leaderEpoch); // current leader epoch
    },
    (decoder) => {
      decoder.readInt32(); // throttle time
      const [answers] = decoder.readArray((each) => {
        each.readString(); // topic
        return each.readArray((of) => {
          const errorCode = of.readInt16();
          of.readInt32(); // partition
          return { errorCode, leaderEpoch: of.readInt32(), offset: Number(of.readInt64()) };
        });
      });
      const answer = answers?.[0];
      if (!answer)
        throw new Error(`Kafka's answer to OffsetForLeaderEpoch leaves out ${topic}/${partition}`);
      return answer;
    },
  );
}
