import { reachFaultPoint } from '../../../../fault-points.ts';
import type { TransactionalProducer } from '../../../../service-layer/broker.ts';
import { FencedError, TroubleError } from '../../../../service-layer/errors.ts';
import type { GroupPosition, OutgoingRecord } from '../../../../service-layer/records.ts';
import { unlessAborted } from '../../hand-over.ts';
import { asServiceError, disconnect, type KafkaOptions, withDeadline } from '../client.ts';
import type { BrokerNode, Cluster, ProducerIdentity } from '../kafkajs-internals.ts';
import type { TopicLayouts } from '../layout.ts';
import type { PartitionRecord } from '../records/partition-records.ts';
import { type BatchEncoder, batchesOf } from '../records/record-batch.ts';
import { permitted, type RequestSubject } from '../security/permissions.ts';
import { Coordinator } from './coordinator.ts';
import type { DepartedNodes } from './departed-nodes.ts';
import { leadersOf, topicsOf } from './leaders.ts';
import { PartitionWriter } from './partition-writer.ts';

const OPEN_TIMEOUT_MS = 30_000;
/** Ends before `OPEN_TIMEOUT_MS`, so the error says what Kafka has answered all the time. */
const NOT_YET_TIMEOUT_MS = 29_000;
/**
 * How long a node may take to write. An election takes less time, and ends the wait at once. A lane
 * that gave up before the election would make the coordinator send abort markers to the former
 * leader, and wait 30 s.
 */
const WRITE_TIMEOUT_MS = 20_000;
const PUBLISH_TIMEOUT_MS = 60_000;
const TRANSACTION_TIMEOUT_MS = 60_000;
/** How long `settle` may take. A process that stops has little time for a silent broker. */
const SETTLE_TIMEOUT_MS = 3_000;
const CONNECT_RETRIES = 5;

/**
 * Publishes records and a group's committed offset together.
 *
 * Guarantee: everything that one `publish` writes becomes visible at once, or never.
 *
 * 1. Tell the transaction's coordinator which group and which partitions take part. The broker
 *    refuses this for some milliseconds, while it still ends the previous transaction.
 * 2. Send the records, in order, and the committed offset.
 * 3. Commit.
 *
 * If the process crashes or anything fails before the broker accepts the commit, nothing becomes
 * visible. The broker aborts when the next holder opens the transactional id, or after the
 * transaction time-out. Once the broker has accepted the commit, everything becomes visible. The
 * next holder's opening resolves after the broker has settled the outcome. The group's committed
 * offset then shows the outcome.
 *
 * The producer uses kafkajs's broker objects instead of kafkajs's producer. kafkajs's producer
 * looks up the coordinators at each step, and waits for five steps in turn. kafkajs rolls its
 * sequence back after an ambiguous error, and goes on. This producer repeats a request that a
 * coordinator has refused because it moves or is busy (`Coordinator`), and a batch that no leader
 * has confirmed (`PartitionWriter`). Any other failure ends this producer.
 */
export class KafkaTransactionalProducer implements TransactionalProducer {
  readonly #cluster: Cluster;
  readonly #coordinator: Coordinator;
  readonly #identity: ProducerIdentity;
  readonly #layouts: TopicLayouts;
  readonly #departed: DepartedNodes;
  readonly #options: KafkaOptions;
  readonly #groupCoordinators = new Map<string, Coordinator>();
  readonly #writer: PartitionWriter;
  #closed: Promise<void> | null = null;
  #mayHaveOpenTransaction = false;

  private constructor(parts: {
    readonly cluster: Cluster;
    readonly coordinator: Coordinator;
    readonly identity: ProducerIdentity;
    readonly layouts: TopicLayouts;
    readonly departed: DepartedNodes;
    readonly options: KafkaOptions;
  }) {
    this.#cluster = parts.cluster;
    this.#coordinator = parts.coordinator;
    this.#identity = parts.identity;
    this.#layouts = parts.layouts;
    this.#departed = parts.departed;
    this.#options = parts.options;
    this.#writer = new PartitionWriter({
      cluster: parts.cluster,
      options: parts.options,
      timeoutMs: WRITE_TIMEOUT_MS,
      identify: async () => parts.identity,
    });
  }

  /**
   * Opens a producer. Tries until the broker has settled the former holder's transaction.
   * @param signal ends the opening when it aborts
   * @throws {TroubleError} Kafka does not settle that transaction or does not answer within 30 s,
   *   or the signal aborts
   */
  static async open(
    options: KafkaOptions,
    transactionalId: string,
    layouts: TopicLayouts,
    departed: DepartedNodes,
    signal: AbortSignal = new AbortController().signal,
  ): Promise<KafkaTransactionalProducer> {
    const doing = `Opening the producer ${transactionalId}`;
    const cluster = departed.createCluster(options, CONNECT_RETRIES, WRITE_TIMEOUT_MS);
    const coordinator = Coordinator.ofTransactions({ cluster, departed, options }, transactionalId);
    let isGivenUp = false;
    const initialise = async () => {
      await cluster.connect();
      const found = await coordinator.ask((node) => {
        // A late request would fence the producer that the lane has opened meanwhile.
        if (isGivenUp) throw new TroubleError(`${doing}: the caller no longer waits`);
        const init = node.initProducerId({
          transactionalId,
          transactionTimeout: TRANSACTION_TIMEOUT_MS,
        });
        return permitted(init, { apiName: 'InitProducerId', transactionalId }, options);
      }, NOT_YET_TIMEOUT_MS);
      const identity = { transactionalId, ...found };
      return new KafkaTransactionalProducer({
        cluster,
        coordinator,
        identity,
        layouts,
        departed,
        options,
      });
    };
    const opening = initialise();
    try {
      return await withDeadline(unlessAborted(opening, signal), OPEN_TIMEOUT_MS, doing);
    } catch (error) {
      isGivenUp = true;
      void disconnect(cluster);
      // A request that was under way may have opened another connection.
      opening.finally(() => disconnect(cluster)).catch(() => {});
      departed.forget(cluster);
      throw asServiceError(error, doing);
    }
  }

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    this.#refuseClosed();
    if (records.length === 0 && !position) return;
    const doing = `Publishing with ${this.#identity.transactionalId}`;
    try {
      const routed = await this.#layouts.place(records);
      await withDeadline(this.#transact(routed, position), PUBLISH_TIMEOUT_MS, doing);
    } catch (error) {
      this.#layouts.forget();
      void this.close();
      const reason = asServiceError(error, doing);
      // The holder that fenced this producer has ended the transaction.
      if (reason instanceof FencedError) this.#mayHaveOpenTransaction = false;
      throw reason;
    }
  }

  /** Runs one transaction, from its beginning to its commit. */
  async #transact(
    records: readonly PartitionRecord[],
    position: GroupPosition | null,
  ): Promise<void> {
    const batches = await batchesOf(records);
    this.#refuseTooLarge(batches);
    const topics = topicsOf(batches);
    // A topic that Kafka does not know is refused here, before the transaction begins.
    await leadersOf(this.#cluster, topics);
    if (position) await this.#groupCoordinator(position.group).find();
    const identity = this.#identity;
    this.#refuseClosed();
    this.#mayHaveOpenTransaction = true;
    await Promise.all([
      position &&
        this.#ask({ apiName: 'AddOffsetsToTxn', group: position.group }, (node) =>
          node.addOffsetsToTxn({ ...identity, groupId: position.group }),
        ),
      topics.length > 0 &&
        this.#ask(
          { apiName: 'AddPartitionsToTxn', topics: topics.map(({ topic }) => topic) },
          (node) => node.addPartitionsToTxn({ ...identity, topics }),
        ),
    ]);
    reachFaultPoint('transaction-joined');
    await Promise.all([
      this.#writer.write(batches).then(() => reachFaultPoint('records-sent')),
      position && this.#sendPosition(position),
    ]);
    reachFaultPoint('offset-sent');
    this.#refuseClosed();
    await this.#ask({ apiName: 'EndTxn' }, (node) =>
      node.endTxn({ ...identity, transactionResult: true }),
    );
    this.#mayHaveOpenTransaction = false;
    reachFaultPoint('broker-committed');
  }

  /**
   * Refuses a record that is larger than its topic accepts. The broker's own error would name
   * neither the topic nor the setting.
   * @throws {TroubleError} with the command that makes room for the largest record
   */
  #refuseTooLarge(batches: readonly BatchEncoder[]): void {
    const tooLarge = batches.filter(({ bytes, maxMessageBytes }) => bytes > maxMessageBytes);
    const largest = tooLarge.toSorted((a, b) => b.bytes - a.bytes)[0];
    if (!largest) return;
    const { topic, bytes, maxMessageBytes } = largest;
    throw new TroubleError(
      `A record needs ${bytes} bytes, but ${topic} takes at most ${maxMessageBytes} bytes ` +
        '(max.message.bytes). Make room for it: kafka-configs.sh ' +
        `--bootstrap-server ${this.#options.brokers.join(',')} --alter --entity-type topics ` +
        `--entity-name ${topic} --add-config max.message.bytes=${bytes}`,
    );
  }

  async #sendPosition(position: GroupPosition): Promise<void> {
    const { group, topic } = position;
    await this.#groupCoordinator(group).ask((node) => {
      const committing = node.txnOffsetCommit({
        ...this.#identity,
        groupId: group,
        topics: [offsetTopicOf(position)],
      });
      return this.#permitted(committing, { apiName: 'TxnOffsetCommit', topics: [topic], group });
    }, WRITE_TIMEOUT_MS);
  }

  /** Asks the coordinator of this producer's transactions. */
  async #ask(
    subject: RequestSubject,
    request: (node: BrokerNode) => Promise<unknown>,
  ): Promise<void> {
    const ask = (node: BrokerNode) => this.#permitted(request(node), subject);
    await this.#coordinator.ask(ask, WRITE_TIMEOUT_MS);
  }

  #groupCoordinator(group: string): Coordinator {
    const surroundings = {
      cluster: this.#cluster,
      departed: this.#departed,
      options: this.#options,
    };
    const coordinator =
      this.#groupCoordinators.get(group) ?? Coordinator.ofGroup(surroundings, group);
    this.#groupCoordinators.set(group, coordinator);
    return coordinator;
  }

  #permitted<T>(answer: Promise<T>, subject: RequestSubject): Promise<T> {
    const { transactionalId } = this.#identity;
    return permitted(answer, { ...subject, transactionalId }, this.#options);
  }

  /** @throws {TroubleError} this producer is closed; kafkajs would connect again */
  #refuseClosed(): void {
    if (this.#closed)
      throw new TroubleError(`The producer ${this.#identity.transactionalId} is closed`);
  }

  close(): Promise<void> {
    this.#writer.close();
    this.#departed.forget(this.#cluster);
    this.#closed ??= disconnect(this.#cluster);
    return this.#closed;
  }

  /** Opens the transactional id again. The broker then ends what its former holder left open. */
  async settle(): Promise<void> {
    if (!this.#mayHaveOpenTransaction) return;
    this.#mayHaveOpenTransaction = false;
    try {
      const successor = await KafkaTransactionalProducer.open(
        this.#options,
        this.#identity.transactionalId,
        this.#layouts,
        this.#departed,
        AbortSignal.timeout(SETTLE_TIMEOUT_MS),
      );
      await successor.close();
    } catch {
      // The next holder, or the transaction time-out, ends it.
    }
  }
}

function offsetTopicOf({ topic, partition, nextOffset }: GroupPosition) {
  return { topic, partitions: [{ partition, offset: String(nextOffset) }] };
}
