import type { PlaceInTopic } from '../../record-checks.ts';
import { disconnect, type KafkaOptions, OPERATION_TIMEOUT_MS } from '../client.ts';
import type { Cluster } from '../kafkajs-internals.ts';
import type { PartitionRecord } from '../records/partition-records.ts';
import { batchesOf } from '../records/record-batch.ts';
import { permitted } from '../security/permissions.ts';
import type { DepartedNodes } from './departed-nodes.ts';
import { partitionKey } from './leaders.ts';
import { PartitionWriter, type WriterIdentity } from './partition-writer.ts';

const CONNECT_RETRIES = 1;
/** Ends before the caller's time-out, so the error says what Kafka has answered all the time. */
const WRITE_TIMEOUT_MS = OPERATION_TIMEOUT_MS - 1_000;

/**
 * An idempotent producer without transactions.
 *
 * Guarantee: when `append` resolves, each record is in the log once. When `append` rejects, each
 * record is in the log at most once, and the caller must not use this appender again.
 */
export class IdempotentAppender {
  readonly #options: KafkaOptions;
  readonly #cluster: Cluster;
  readonly #departed: DepartedNodes;
  readonly #writer: PartitionWriter;

  constructor(options: KafkaOptions, departed: DepartedNodes) {
    this.#options = options;
    this.#cluster = departed.createCluster(options, CONNECT_RETRIES, OPERATION_TIMEOUT_MS);
    this.#departed = departed;
    this.#writer = new PartitionWriter({
      cluster: this.#cluster,
      options,
      timeoutMs: WRITE_TIMEOUT_MS,
      identify: () => this.#initialise(),
    });
  }

  /** Appends the records. @returns each record's place, in the order given */
  async append(records: readonly PartitionRecord[]): Promise<readonly PlaceInTopic[]> {
    const written = await this.#writer.write(await batchesOf(records));
    const offsets = new Map<string, number[]>();
    for (const { key, baseOffset, count } of written) {
      const known = offsets.get(key) ?? [];
      offsets.set(key, known);
      for (let index = 0; index < count; index += 1) known.push(baseOffset + index);
    }
    const counts = new Map<string, number>();
    return records.map(({ record: { topic }, partition }) => {
      const key = partitionKey({ topic, partition });
      const index = counts.get(key) ?? 0;
      counts.set(key, index + 1);
      return { partition, offset: offsets.get(key)?.[index] as number };
    });
  }

  async close(): Promise<void> {
    this.#writer.close();
    this.#departed.forget(this.#cluster);
    await disconnect(this.#cluster);
  }

  async #initialise(): Promise<WriterIdentity> {
    await this.#cluster.connect();
    await this.#cluster.refreshMetadata();
    const node = await this.#cluster.findControllerBroker();
    const initialising = node.initProducerId({
      transactionalId: null,
      transactionTimeout: OPERATION_TIMEOUT_MS,
    });
    const found = await permitted(initialising, { apiName: 'InitProducerId' }, this.#options);
    return { ...found, transactionalId: null };
  }
}
