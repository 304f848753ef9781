import { TroubleError } from '../../../../service-layer/errors.ts';

/** What a member tells the group's leader when it joins. */
export interface MemberSubscription {
  /** The topics that it reads; none, if its bytes cannot be read. */
  readonly topics: readonly string[];
  /** The partitions that it owns as it joins: it goes on working there. */
  readonly owned: readonly number[];
  /** The generation in which it got them; -1: none. */
  readonly generation: number;
  /** The partitions that it has given back: another member should have them. */
  readonly givenBack: readonly number[];
}

/** The first version of a subscription that has a generation. Later ones add the member's rack. */
const SUBSCRIPTION_VERSION = 2;
const ASSIGNMENT_VERSION = 0;
const WITH_OWNED = 1;
const WITH_GENERATION = 2;
const NO_GENERATION = -1;
/** The first byte of the user data. Other assignors' user data begins with 0, half of a length. */
const GIVEN_BACK_VERSION = 1;
/** The first byte of an assignment's user data. */
const NOTES_VERSION = 1;

const UNREADABLE: MemberSubscription = {
  topics: [],
  owned: [],
  generation: NO_GENERATION,
  givenBack: [],
};

/**
 * Writes a subscription to one topic, so that Kafka's brokers and tools read it too.
 *
 * Source: Apache Kafka, ConsumerProtocolSubscription.json, version 2. `givenBack` is in the user
 * data: one byte for its version, then an array of partitions.
 */
export function encodeSubscription(
  topic: string,
  { owned, generation, givenBack }: Omit<MemberSubscription, 'topics'>,
): Buffer {
  const userData = Buffer.concat([Buffer.from([GIVEN_BACK_VERSION]), array(givenBack.map(int32))]);
  return Buffer.concat([
    int16(SUBSCRIPTION_VERSION),
    array([string(topic)]),
    bytes(userData),
    array(owned.length === 0 ? [] : [topicPartitions(topic, owned)]),
    int32(generation),
  ]);
}

/**
 * Reads a member's subscription, of any version and from any client.
 *
 * @returns what the member says of the topic; a member whose bytes cannot be read owns nothing
 */
export function decodeSubscription(topic: string, encoded: Buffer): MemberSubscription {
  return readable(() => {
    const reader = new ProtocolReader(encoded);
    const version = reader.int16();
    const topics = reader.array(() => reader.string());
    const givenBack = decodeGivenBack(reader.bytes());
    const owned = version >= WITH_OWNED ? reader.partitionsOf(topic) : [];
    const generation = version >= WITH_GENERATION ? reader.int32() : NO_GENERATION;
    return { topics, owned, generation, givenBack };
  }, UNREADABLE);
}

/** What the leader tells a member besides its partitions. */
export interface LeaderNotes {
  /** How many more partitions the member gets once their owners have closed them. */
  readonly coming: number;
  /** How many partitions the leader has shared out. */
  readonly partitionCount: number;
}

/**
 * Writes what the leader gives to a member.
 *
 * Source: Apache Kafka, ConsumerProtocolAssignment.json, version 0. The notes are in the user data:
 * one byte for their version, then two numbers.
 */
export function encodeAssignment(
  topic: string,
  partitions: readonly number[],
  { coming, partitionCount }: LeaderNotes,
): Buffer {
  const topics = partitions.length === 0 ? [] : [topicPartitions(topic, partitions)];
  const userData = Buffer.concat([
    Buffer.from([NOTES_VERSION]),
    int32(coming),
    int32(partitionCount),
  ]);
  return Buffer.concat([int16(ASSIGNMENT_VERSION), array(topics), bytes(userData)]);
}

/**
 * Reads which partitions of the topic the group's leader gave this member.
 *
 * @returns none for empty bytes: so Kafka answers a member that the leader did not name
 * @throws {TroubleError} the bytes are no assignment
 */
export function decodeAssignment(topic: string, encoded: Buffer): readonly number[] {
  if (encoded.length === 0) return [];
  const partitions = readable(() => {
    const reader = new ProtocolReader(encoded);
    reader.int16();
    return reader.partitionsOf(topic);
  }, null);
  if (partitions) return partitions;
  throw new TroubleError(
    `The leader of the group sent an assignment of ${topic} that cannot be read: ${encoded.toString('hex', 0, 64)}`,
  );
}

/** Reads what the leader says besides. @returns null for a leader of another release, which says nothing */
export function decodeNotes(assignment: Buffer): LeaderNotes | null {
  return readable(() => {
    const reader = new ProtocolReader(assignment);
    reader.int16();
    reader.partitionsOf('');
    const userData = reader.bytes();
    if (userData?.[0] !== NOTES_VERSION) return null;
    const notes = new ProtocolReader(userData.subarray(1));
    return { coming: notes.int32(), partitionCount: notes.int32() };
  }, null);
}

/** @returns none for other clients' user data */
function decodeGivenBack(userData: Buffer | null): readonly number[] {
  if (userData?.[0] !== GIVEN_BACK_VERSION) return [];
  const reader = new ProtocolReader(userData.subarray(1));
  return readable(() => reader.array(() => reader.int32()), []);
}

function readable<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RangeError) return otherwise;
    throw error;
  }
}

function int16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
}

function int32(value: number): Buffer {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value);
  return buffer;
}

function string(text: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(text)), Buffer.from(text)]);
}

function bytes(value: Buffer): Buffer {
  return Buffer.concat([int32(value.length), value]);
}

function array(items: readonly Buffer[]): Buffer {
  return Buffer.concat([int32(items.length), ...items]);
}

function topicPartitions(topic: string, partitions: readonly number[]): Buffer {
  return Buffer.concat([string(topic), array(partitions.map(int32))]);
}

/** Reads Kafka's basic types. Each method throws a RangeError where the bytes end too early. */
class ProtocolReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  int16(): number {
    return this.#take(2).readInt16BE();
  }

  int32(): number {
    return this.#take(4).readInt32BE();
  }

  string(): string {
    return this.#take(this.int16()).toString();
  }

  bytes(): Buffer | null {
    const length = this.int32();
    return length === -1 ? null : this.#take(length);
  }

  /** Ends for any length: each item takes at least one byte. A null array is an empty one. */
  array<T>(item: () => T): readonly T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left -= 1) items.push(item());
    return items;
  }

  /** Reads an array of topics with their partitions. @returns the partitions of one of them */
  partitionsOf(topic: string): readonly number[] {
    const topics = this.array(() => ({
      name: this.string(),
      partitions: this.array(() => this.int32()),
    }));
    return topics.filter(({ name }) => name === topic).flatMap(({ partitions }) => partitions);
  }

  #take(length: number): Buffer {
    const end = this.#position + length;
    if (length < 0 || end > this.#bytes.length)
      throw new RangeError(`${length} bytes do not lie at ${this.#position}`);
    const taken = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return taken;
  }
}
