import type { Peer } from '../peer.ts';

export const kafkaStreams: Peer = {
  name: 'Kafka Streams, exactly_once_v2',
  directory: import.meta.dirname,
  build: ['mvn -q -B package'],
  command: programOf('allocation.Main'),
  isSlow: false,
  doesNot:
    'no SQL database (a key-value store per partition, written without fsync and restored from ' +
    'its changelog topic); no orders of several skus; no record of single allocations, so that ' +
    'none can be taken back; no command ids: a command sent twice is answered twice; a record ' +
    'that cannot be read stops it',
};

/** The command that runs a class with a main method of this directory's build. */
export function programOf(mainClass: string): Peer['command'] {
  return ['java', '-cp', 'target/kafka-streams-peer-1.jar:target/dependency/*', mainClass];
}
