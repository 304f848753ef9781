import { kafkaStreams, programOf } from '../kafka-streams/peer.ts';
import type { Peer } from '../peer.ts';

/** Its sources are compiled together with those of the peer that it shares most classes with. */
export const kafkaStreamsEqual: Peer = {
  ...kafkaStreams,
  name: 'Kafka Streams, equal work',
  command: programOf('allocation.equal.Main'),
  doesNot:
    'no SQL database (key-value stores per partition, written without fsync and restored from ' +
    'their changelog topics); a command id, a line or a batch is known only in the partition ' +
    'that it came through; no ChangeBatchQuantity, no DeallocateOrder, no orders of several ' +
    'skus; only plain JSON with an id; no validation, no dead letters: a record that cannot be ' +
    'read stops it; no traceparent; no HTTP',
};
