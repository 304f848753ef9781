import { describe, expect, it } from 'vitest';
import { readCommittedOffsets, readEndOfEpoch } from '../../../src/adapters/broker/kafka/offset-requests.ts';
import { type BrokerNode, type Cluster, createDecoder, createEncoder, type Encoder } from '../../../src/adapters/broker/kafka/protocol.ts';

interface Exchange {
  readonly request: { readonly apiKey: number; readonly apiVersion: number; encode(): Promise<{ readonly buffer: Buffer }> };
  readonly response: { decode(bytes: Buffer): Promise<unknown>; parse(decoded: unknown): Promise<unknown> };
}

const SOON_MS = 2_000;
const int64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(value));
  return bytes;
};

/** An answer to OffsetFetch version 7. */
function offsets(errorCode: number, ...partitions: readonly (readonly [partition: number, offset: number, errorCode: number])[]): Buffer {
  const encoder = createEncoder()
    .writeUVarInt(0)
    .writeInt32(0)
    .writeUVarInt(2)
    .writeUVarIntString('topic')
    .writeUVarInt(partitions.length + 1);
  for (const [partition, offset, code] of partitions) {
    encoder.writeInt32(partition).writeBuffer(int64(offset)).writeInt32(-1).writeUVarIntString('').writeInt16(code).writeUVarInt(0);
  }
  return bytesOf(encoder.writeUVarInt(0).writeInt16(errorCode).writeUVarInt(0));
}

/** An answer to OffsetForLeaderEpoch version 3. */
function epochEnd(errorCode: number, offset: number): Buffer {
  const encoder = createEncoder().writeInt32(0).writeInt32(1).writeString('topic').writeInt32(1);
  return bytesOf(encoder.writeInt16(errorCode).writeInt32(2).writeInt32(7).writeBuffer(int64(offset)));
}

const bytesOf = (encoder: Encoder) => (encoder as unknown as { readonly buffer: Buffer }).buffer;

/** A cluster whose every node gives the answers in turn, the last one for ever. */
class ScriptedCluster {
  readonly asked: Buffer[] = [];
  coordinatorsFound = 0;
  refreshed = 0;
  readonly #answers: readonly Buffer[];
  readonly #maxVersion: number;

  constructor(answers: readonly Buffer[], maxVersion = 9) {
    this.#answers = answers;
    this.#maxVersion = maxVersion;
  }

  get cluster(): Cluster {
    const node = { versions: { 9: { maxVersion: this.#maxVersion } }, connectionPool: { send: (each: Exchange) => this.#answer(each) } };
    const findNode = async () => node as unknown as BrokerNode;
    return {
      findGroupCoordinator: () => {
        this.coordinatorsFound += 1;
        return findNode();
      },
      refreshMetadata: async () => void (this.refreshed += 1),
      findLeaderForPartitions: () => ({ 1: [2] }),
      findBroker: findNode,
    } as unknown as Cluster;
  }

  async #answer({ request, response }: Exchange): Promise<unknown> {
    this.asked.push((await request.encode()).buffer);
    const bytes = this.#answers[Math.min(this.asked.length, this.#answers.length) - 1] as Buffer;
    return response.parse(await response.decode(bytes));
  }
}

const asked = { group: 'group', topic: 'topic', count: 2 };
const read = (script: ScriptedCluster, timeoutMs = SOON_MS) => readCommittedOffsets(script.cluster, new Map(), asked, timeoutMs);

describe('The committed offsets', () => {
  it('are asked for with require_stable', async () => {
    const script = new ScriptedCluster([offsets(0, [0, 5, 0], [1, -1, 0])]);
    expect((await read(script)).map(({ offset }) => offset)).toEqual([5, -1]);
    const decoder = createDecoder(script.asked[0] as Buffer);
    decoder.readTaggedFields();
    expect([decoder.readUVarIntString(), decoder.readUVarInt(), decoder.readUVarIntString()]).toEqual(['group', 2, 'topic']);
    expect([decoder.readUVarInt(), decoder.readInt32(), decoder.readInt32(), decoder.readUVarInt()]).toEqual([3, 0, 1, 0]);
    expect(decoder.buffer[decoder.offset]).toBe(1);
  });

  it.each([
    ['COORDINATOR_LOAD_IN_PROGRESS', offsets(14), 1],
    ['COORDINATOR_NOT_AVAILABLE', offsets(15), 2],
    ['NOT_COORDINATOR', offsets(16), 2],
    ['UNSTABLE_OFFSET_COMMIT of one partition', offsets(0, [0, 3, 0], [1, -1, 88]), 1],
  ])('are asked for again after %s', async (_, trouble, coordinatorsFound) => {
    const script = new ScriptedCluster([trouble, offsets(0, [0, 5, 0], [1, 6, 0])]);
    expect((await read(script)).map(({ offset }) => offset)).toEqual([5, 6]);
    expect(script.coordinatorsFound).toBe(coordinatorsFound);
  });

  it('are trouble once the time is up', async () => {
    await expect(read(new ScriptedCluster([offsets(0, [0, 3, 0], [1, -1, 88])]), 0)).rejects.toThrow('the offsets of group: error code 88');
  });

  it('are trouble at once after any other error', async () => {
    const script = new ScriptedCluster([offsets(30), offsets(0, [0, 5, 0], [1, 6, 0])]);
    await expect(read(script)).rejects.toThrow('error code 30');
  });

  it('are trouble if the answer leaves a partition out', async () => {
    await expect(read(new ScriptedCluster([offsets(0, [0, 5, 0])]))).rejects.toThrow("Kafka's answer leaves out topic/1");
  });

  it('are trouble on a Kafka that cannot read stable offsets', async () => {
    await expect(read(new ScriptedCluster([offsets(0)], 6))).rejects.toThrow('Kafka 2.5 or newer');
  });
});

describe('The end of a leader epoch', () => {
  const end = (script: ScriptedCluster) => readEndOfEpoch(script.cluster, { topic: 'topic', partition: 2, leaderEpoch: 7 }, SOON_MS);

  it('is asked of the leader, and of the next one once it has moved', async () => {
    const script = new ScriptedCluster([epochEnd(6, -1), epochEnd(0, 41)]);
    expect([await end(script), script.refreshed]).toEqual([41, 1]);
    const decoder = createDecoder(script.asked[0] as Buffer);
    const fields = [decoder.readInt32(), decoder.readInt32(), decoder.readString(), decoder.readInt32()];
    expect([...fields, decoder.readInt32(), decoder.readInt32(), decoder.readInt32()]).toEqual([-1, 1, 'topic', 1, 2, -1, 7]);
  });

  it('is null if the leader does not know it', async () => {
    expect(await end(new ScriptedCluster([epochEnd(0, -1)]))).toBeNull();
  });

  it('is trouble if Kafka refuses', async () => {
    await expect(end(new ScriptedCluster([epochEnd(29, -1)]))).rejects.toThrow('where an epoch of topic/2 ends: error code 29');
  });
});
