import { randomUUID } from 'node:crypto';
import { Partitioners } from 'kafkajs';
import { GenericUUID } from '../../../domain/value-objects.ts';
import { reachFaultPoint } from '../../../fault-points.ts';
import type { OffsetRange, TopicSettings } from '../../../service-layer/broker.ts';
import { MissingTopicError, TroubleError } from '../../../service-layer/errors.ts';
import type {
  AddressedRecord,
  GroupPosition,
  OutgoingRecord,
  ReceivedRecord,
} from '../../../service-layer/records.ts';
import type { Database } from '../../database/database.ts';
import { bytesOf } from '../../record-bytes.ts';
import { type PlaceInTopic, requirePartition, requireRoom } from '../record-checks.ts';
import {
  insert,
  moveGroup,
  nextOffset,
  type ProducerEpoch,
  type RecordBatchRow,
  type RoutedRecord,
  recordsOf,
  refuseFormerHolder,
} from './append.ts';

const MAX_READ_BATCHES = 1_000;
const MAX_READ_BYTES = 512 * 1024;
/** How often a waiting reader looks for the appends of other processes. */
const POLL_MS = 30;

/**
 * The log in the tables `log_*` of a SQLite file.
 *
 * Guarantee: an append is one database transaction. All its records become visible and the group's
 * committed offset moves at once, or nothing happens. Offsets have no gaps. A crash leaves the
 * whole append or nothing.
 */
export class EmbeddedLog {
  static readonly #logs = new WeakMap<Database, EmbeddedLog>();
  readonly #database: Database;
  readonly #partitionOf = Partitioners.DefaultPartitioner();
  readonly #topics = new Map<string, TopicSettings>();
  readonly #waiting = new Set<() => void>();
  #poll: NodeJS.Timeout | undefined;
  #dataVersion: number | undefined;
  #version = 0;

  private constructor(database: Database) {
    this.#database = database;
  }

  /**
   * Returns the database's log. All brokers on the database share the log, so an append wakes the
   * readers of all of them.
   */
  static of(database: Database): EmbeddedLog {
    const log = EmbeddedLog.#logs.get(database) ?? new EmbeddedLog(database);
    EmbeddedLog.#logs.set(database, log);
    return log;
  }

  /** Returns the id that identifies this log. The first call draws the id and stores it. */
  async id(): Promise<string> {
    const select = 'select id from log_identity';
    const [known] = await this.#database.query<{ id: string }>(select);
    if (known) return known.id;
    return this.#database.transaction(async (sql) => {
      const [made] = await sql<{ id: string }>(select);
      const id = made?.id ?? new GenericUUID(randomUUID()).toString();
      if (!made) await sql('insert into log_identity (id) values (?)', [id]);
      return id;
    });
  }

  async createTopics(topics: readonly TopicSettings[], create: boolean): Promise<void> {
    await this.#database.transaction(async (sql) => {
      for (const { name, partitions, maxMessageBytes } of topics) {
        const [existing] = await sql('select name from log_topics where name = ?', [name]);
        if (existing) continue;
        if (!create)
          throw new MissingTopicError(
            `The topic ${name} does not exist. ` +
              'Start once with KAFKA_CREATE_TOPICS=true to create it',
          );
        await sql('insert into log_topics (name, partitions, max_message_bytes) values (?, ?, ?)', [
          name,
          partitions,
          maxMessageBytes,
        ]);
      }
    });
  }

  /** @throws {TroubleError} there is no such topic */
  async topic(name: string): Promise<TopicSettings> {
    const known = this.#topics.get(name);
    if (known) return known;
    const [row] = await this.#database.query<{ partitions: number; max_message_bytes: number }>(
      'select partitions, max_message_bytes from log_topics where name = ?',
      [name],
    );
    if (!row) throw new TroubleError(`The topic ${name} does not exist`);
    const topic = { name, partitions: row.partitions, maxMessageBytes: row.max_message_bytes };
    this.#topics.set(name, topic);
    return topic;
  }

  /**
   * Appends the records and moves the group in one transaction.
   * @param position the group's next committed offset; null: no group moves
   * @param producer null: the append belongs to no producer
   * @returns each record's place, in the order given
   * @throws {MessageTooLargeError} a record is larger than its topic accepts
   * @throws {RangeError} a record names a partition that its topic does not have
   * @throws {FencedError} another producer has opened the same transactional id since
   */
  async append(
    records: readonly (OutgoingRecord & AddressedRecord)[],
    position: GroupPosition | null,
    producer: ProducerEpoch | null,
  ): Promise<readonly PlaceInTopic[]> {
    const topics = new Map<string, TopicSettings>();
    for (const { topic } of records)
      if (!topics.has(topic)) topics.set(topic, await this.topic(topic));
    const routed = records.map((record) =>
      this.#route(record, topics.get(record.topic) as TopicSettings),
    );
    const places = await this.#database.transaction(async (sql) => {
      if (producer) await refuseFormerHolder(sql, producer);
      reachFaultPoint('transaction-joined');
      const places = await insert(sql, routed);
      reachFaultPoint('records-sent');
      if (position) await moveGroup(sql, position);
      reachFaultPoint('offset-sent');
      return places;
    });
    reachFaultPoint('broker-committed');
    this.wakeReaders();
    return places;
  }

  /**
   * Reads the next records of a partition.
   * @param maxBytes the size of all batches together; the first batch comes whole in any case
   */
  async read(
    topic: string,
    partition: number,
    fromOffset: number,
    maxBytes = MAX_READ_BYTES,
  ): Promise<readonly ReceivedRecord[]> {
    const batches = await this.#database.query<RecordBatchRow>(
      // The window function works on sizes only. SQLite would copy all records that it contained.
      `select base_offset, timestamp_ms, records from log_batches
       where topic = ? and partition = ? and base_offset in (
         select base_offset from (
           select base_offset, bytes, sum(bytes) over (order by base_offset) as bytes_through
           from (
             select base_offset, length(records) as bytes from log_batches
             where topic = ? and partition = ? and next_offset > ? and base_offset >= coalesce(
               (select max(base_offset) from log_batches
                where topic = ? and partition = ? and base_offset <= ?), 0)
             order by base_offset limit ${MAX_READ_BATCHES}
           )
         ) where bytes_through <= ? or bytes_through = bytes
       ) order by base_offset`,
      [
        topic,
        partition,
        topic,
        partition,
        fromOffset,
        topic,
        partition,
        fromOffset,
        Math.min(MAX_READ_BYTES, maxBytes),
      ],
    );
    const records = batches.flatMap((batch) => recordsOf(topic, partition, batch));
    return records.filter(({ offset }) => offset >= fromOffset);
  }

  /** A number that changes with every append that this process has noticed. */
  get version(): number {
    return this.#version;
  }

  /**
   * Waits until this process or another one has appended something since `version`. Resolves at
   * once when the signal aborts.
   */
  async newerThan(version: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || version !== this.#version) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const wake = () => resolve();
    this.#waiting.add(wake);
    signal.addEventListener('abort', wake);
    this.#poll ??= setInterval(() => void this.#wakeIfOthersWrote(), POLL_MS);
    await promise;
    signal.removeEventListener('abort', wake);
    this.#waiting.delete(wake);
    if (this.#waiting.size > 0) return;
    clearInterval(this.#poll);
    this.#poll = undefined;
  }

  /** Opens the transactional id for a new producer, and fences the former holder. */
  async takeProducer(transactionalId: string): Promise<ProducerEpoch> {
    const [row] = await this.#database.transaction((sql) =>
      sql<{ epoch: number }>(
        `insert into log_producers (transactional_id, epoch) values (?, 1)
         on conflict (transactional_id) do update set epoch = epoch + 1 returning epoch`,
        [transactionalId],
      ),
    );
    return { transactionalId, epoch: row?.epoch ?? 0 };
  }

  async committedOffsets(group: string, topic: string): Promise<readonly (number | null)[]> {
    const { partitions } = await this.topic(topic);
    const rows = await this.#database.query<{ partition: number; next_offset: number }>(
      'select partition, next_offset from log_group_offsets where group_id = ? and topic = ?',
      [group, topic],
    );
    const offsets = new Map(rows.map(({ partition, next_offset }) => [partition, next_offset]));
    return Array.from({ length: partitions }, (_, partition) => offsets.get(partition) ?? null);
  }

  async offsetRanges(topic: string): Promise<readonly OffsetRange[]> {
    const { partitions } = await this.topic(topic);
    const ranges: OffsetRange[] = [];
    for (let partition = 0; partition < partitions; partition += 1) {
      ranges.push({
        partition,
        beginning: 0,
        end: await nextOffset(this.#database.query.bind(this.#database), topic, partition),
      });
    }
    return ranges;
  }

  /** Chooses the record's partition, and checks its size. */
  #route(
    record: OutgoingRecord & AddressedRecord,
    { partitions, maxMessageBytes }: TopicSettings,
  ): RoutedRecord {
    const { topic, key } = record;
    const partitionMetadata = Array.from({ length: partitions }, (_, partitionId) => ({
      partitionId,
      leader: 0,
    }));
    const partition =
      record.partition ??
      this.#partitionOf({
        topic,
        partitionMetadata: partitionMetadata as never,
        message: { key, value: null },
      });
    requirePartition(partition, topic, partitions);
    requireRoom(bytesOf(record), topic, maxMessageBytes);
    return { topic, partition, record };
  }

  /** Makes every waiting reader look again. */
  wakeReaders(): void {
    this.#version += 1;
    for (const wake of this.#waiting) wake();
  }

  async #wakeIfOthersWrote(): Promise<void> {
    try {
      const [row] = await this.#database.query<{ data_version: number }>('pragma data_version');
      if (row?.data_version !== this.#dataVersion) this.wakeReaders();
      this.#dataVersion = row?.data_version;
    } catch {
      // The database is busy or closing. The next poll tries again.
    }
  }
}
