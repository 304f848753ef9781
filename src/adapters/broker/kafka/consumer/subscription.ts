import { TroubleError } from '../../../../service-layer/errors.ts';

/** What a member tells the group's leader as it joins. */
export interface MemberSubscription {
  /** The topics that the member reads; none if its bytes are unreadable. */
  readonly topics: readonly string[];
  /** The partitions that the member owns, and keeps working at, as it joins. */
  readonly owned: readonly number[];
  /** The generation in which the member got these partitions; -1 for none. */
  readonly generation: number;
  /** The partitions that the member has given back, so that another member gets them. */
  readonly givenBack: readonly number[];
}

/** The first version of a subscription with a generation. Later versions add the member's rack. */
const SUBSCRIPTION_VERSION = 2;
const ASSIGNMENT_VERSION = 0;
const FIRST_VERSION_WITH_OWNED = 1;
const FIRST_VERSION_WITH_GENERATION = 2;
const NO_GENERATION = -1;
/**
 * The first byte of a subscription's user data. The user data of Kafka's assignors begins with a
 * length, whose first byte is 0.
 */
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
 * Writes a subscription to one topic in a form that Kafka's brokers and tools can read.
 *
 * Source: Apache Kafka, ConsumerProtocolSubscription.json, version 2. The user data holds
 * `givenBack`: one byte for the version, then an array of partitions.
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
 * @returns what the member says about the topic; a member with unreadable bytes owns nothing
 */
export function decodeSubscription(topic: string, encoded: Buffer): MemberSubscription {
  return readOr(() => {
    const reader = new ProtocolReader(encoded);
    const version = reader.int16();
    const topics = reader.array(() => reader.string());
    const givenBack = decodeGivenBack(reader.bytes());
    const owned = version >= FIRST_VERSION_WITH_OWNED ? reader.partitionsOf(topic) : [];
    const generation = version >= FIRST_VERSION_WITH_GENERATION ? reader.int32() : NO_GENERATION;
    return { topics, owned, generation, givenBack };
  }, UNREADABLE);
}

/** What the leader tells a member in addition to its partitions. */
interface LeaderNotes {
  /** The number of partitions that the member gets after their owners have closed them. */
  readonly coming: number;
  /** The number of partitions that the leader has divided among the members. */
  readonly partitionCount: number;
}

/**
 * Writes the leader's assignment for one member.
 *
 * Source: Apache Kafka, ConsumerProtocolAssignment.json, version 0. The user data holds the notes:
 * one byte for the version, then two numbers.
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
 * Reads which partitions of the topic an assignment gives to this member.
 * @returns none for empty bytes, which Kafka sends to a member that the leader did not name
 * @throws {TroubleError} the bytes are not an assignment
 */
export function decodeAssignment(topic: string, encoded: Buffer): readonly number[] {
  if (encoded.length === 0) return [];
  const partitions = readOr(() => {
    const reader = new ProtocolReader(encoded);
    reader.int16();
    return reader.partitionsOf(topic);
  }, null);
  if (partitions) return partitions;
  throw new TroubleError(
    `The leader of the group sent an assignment of ${topic} that cannot be read: ` +
      encoded.toString('hex', 0, 64),
  );
}

/** Reads the leader's notes. @returns null if the leader's release writes none */
export function decodeNotes(assignment: Buffer): LeaderNotes | null {
  return readOr(() => {
    const reader = new ProtocolReader(assignment);
    reader.int16();
    reader.partitionsOf('');
    const userData = reader.bytes();
    if (userData?.[0] !== NOTES_VERSION) return null;
    const notes = new ProtocolReader(userData.subarray(1));
    return { coming: notes.int32(), partitionCount: notes.int32() };
  }, null);
}

/** Reads the given-back partitions. The user data of another client has none. */
function decodeGivenBack(userData: Buffer | null): readonly number[] {
  if (userData?.[0] !== GIVEN_BACK_VERSION) return [];
  const reader = new ProtocolReader(userData.subarray(1));
  return readOr(() => reader.array(() => reader.int32()), []);
}

/** Reads bytes that may be damaged. @returns `otherwise` if they end too early */
function readOr<T>(read: () => T, otherwise: T): T {
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

/** Reads Kafka's basic types. Each method throws a RangeError if the bytes end too early. */
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

  /**
   * Reads an array; a null array counts as empty. The loop ends for any damaged length, because
   * each item needs at least one byte.
   */
  array<T>(item: () => T): readonly T[] {
    const items: T[] = [];
    for (let left = this.int32(); left > 0; left -= 1) items.push(item());
    return items;
  }

  /** Reads an array of topics with their partitions. @returns the partitions of this topic */
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
      throw new RangeError(`${length} bytes are missing at byte ${this.#position}`);
    const bytes = this.#bytes.subarray(this.#position, end);
    this.#position = end;
    return bytes;
  }
}
