import { reachFaultPoint } from '../../src/fault-points.ts';
import type {
  Broker,
  EpochEnd,
  OffsetRange,
  ReadChunk,
  TransactionalProducer,
} from '../../src/service-layer/broker.ts';
import type { ConsumeOptions, GroupConsumer } from '../../src/service-layer/consumer-group.ts';
import { FencedError, TroubleError } from '../../src/service-layer/errors.ts';
import type {
  AddressedRecord,
  GroupPosition,
  LogRecord,
  OutgoingRecord,
  ReceivedRecord,
} from '../../src/service-layer/records.ts';
import { Outages } from './outages.ts';
import { SimulatedGroup } from './simulated-group.ts';
import type { Machine, World } from './world.ts';

/** A record and its fate. Nobody sees a record of an open transaction, or any one after it. */
interface Entry {
  readonly record: Pick<ReceivedRecord, 'key' | 'value' | 'headers' | 'timestampMs'>;
  readonly isMarker: boolean;
  /** The epoch of the leader that took the record. */
  readonly leaderEpoch: number;
  fate: 'open' | 'committed' | 'aborted';
}

/** The transaction that a transactional id has under way. */
interface Transaction {
  readonly entries: { readonly topic: string; readonly partition: number; readonly entry: Entry }[];
  readonly offsets: GroupPosition[];
  state: 'open' | 'ending';
}

interface ProducerState {
  epoch: number;
  transaction: Transaction | null;
}

// Kafka's own timeout is a minute. This one is shorter to keep histories short.
const TRANSACTION_TIMEOUT_MS = 9_000;
const LONGEST_ENDING_MS = 40;
const RETRY_MS = 3;

/** One partition of a topic, with all that ever was in it. Readers begin at `start`. */
interface Log {
  readonly entries: Entry[];
  start: number;
  leaderEpoch: number;
  /** The end of what anybody has read. */
  readBelow: number;
  /** The fate of every entry below this offset is decided, and perhaps that of later ones. */
  decidedBelow: number;
}

/** Hears what a transaction writes, and how it moves the group, when its commit is decided. */
export type OnCommit = (
  records: readonly OutgoingRecord[],
  positions: readonly GroupPosition[],
) => void;

const MAX_MESSAGE_BYTES = 1_000_000;
/** How long after a move of the group an unstable answer may be the offset before the move. */
const OLD_OFFSETS_MS = 3_000;

/**
 * Kafka, as far as the service relies on it: logs, transactions with epochs and markers, groups.
 * The log keeps what it acknowledges until a fault makes it forget: retention, offsets that expire,
 * or a new leader that had not copied everything.
 */
export class SimulatedLog {
  readonly group: SimulatedGroup;
  readonly outages: Outages;
  /** By topic, where it differs from `MAX_MESSAGE_BYTES`. */
  readonly maxMessageBytes = new Map<string, number>();
  readonly offsets = new Map<number, number>();
  readonly #world: World;
  readonly #onCommit: OnCommit;
  readonly #topics = new Map<string, Log[]>();
  readonly #producers = new Map<string, ProducerState>();
  /** Where the group stood before its latest move, and when it moved. */
  readonly #formerOffsets = new Map<
    number,
    { readonly offset: number | null; readonly movedMs: number }
  >();
  #unsettled = 0;

  constructor(world: World, topics: readonly string[], partitions: number, onCommit: OnCommit) {
    this.#world = world;
    this.#onCommit = onCommit;
    this.outages = new Outages(world);
    this.group = new SimulatedGroup(world, this, partitions);
    for (const topic of topics)
      this.#topics.set(
        topic,
        Array.from({ length: partitions }, () => ({
          entries: [],
          start: 0,
          leaderEpoch: 0,
          readBelow: 0,
          decidedBelow: 0,
        })),
      );
  }

  partition(topic: string, partition: number): Entry[] {
    return this.#log(topic, partition).entries;
  }

  #log(topic: string, partition: number): Log {
    const log = this.#topics.get(topic)?.[partition];
    if (!log) throw new TroubleError(`There is no ${topic}/${partition}`);
    return log;
  }

  get partitions(): number {
    return [...this.#topics.values()][0]?.length ?? 0;
  }

  /** The transactional ids that anybody has ever opened. */
  get transactionalIds(): readonly string[] {
    return [...this.#producers.keys()];
  }

  /** The first offset that is still there. */
  start(topic: string, partition: number): number {
    return this.#log(topic, partition).start;
  }

  /** Deletes the records before the offset, as retention does. */
  deleteBefore(topic: string, partition: number, offset: number): void {
    const log = this.#log(topic, partition);
    log.start = Math.max(log.start, Math.min(offset, this.stableEnd(topic, partition)));
    this.#world.trace(`${topic}/${partition} begins at ${log.start}`);
  }

  /**
   * Elects a leader that has less than the one before. The next records take the offsets of the
   * lost ones.
   * @returns whether somebody may have read the lost records
   */
  truncate(topic: string, partition: number, end: number): boolean {
    const log = this.#log(topic, partition);
    log.entries.length = end;
    log.decidedBelow = Math.min(log.decidedBelow, end);
    log.leaderEpoch += 1;
    this.#world.trace(`${topic}/${partition} ends at ${end}, in epoch ${log.leaderEpoch}`);
    return log.readBelow > end;
  }

  leaderEpoch(topic: string, partition: number): number {
    return this.#log(topic, partition).leaderEpoch;
  }

  /** Returns the end of what anybody has read. */
  readBelow(topic: string, partition: number): number {
    return this.#log(topic, partition).readBelow;
  }

  /**
   * Returns where the records of the leader epoch and of earlier ones end. Records that retention
   * has deleted count as theirs.
   */
  endOfEpoch(topic: string, partition: number, leaderEpoch: number): EpochEnd {
    this.outages.ask(`leader of ${partition}`);
    const { entries, start } = this.#log(topic, partition);
    const next = entries.findIndex((entry) => entry.leaderEpoch > leaderEpoch);
    const offset = next < 0 ? entries.length : Math.max(start, next);
    return { leaderEpoch: entries[offset - 1]?.leaderEpoch ?? leaderEpoch, offset };
  }

  /** Lets another broker lead the partition of each topic. */
  electLeader(partition: number): void {
    for (const logs of this.#topics.values()) (logs[partition] as Log).leaderEpoch += 1;
  }

  /**
   * Loses the group's offsets: they have expired, or the partition that held them is lost. The
   * members are lost too, and join anew as soon as they hear of that. Offsets that a transaction is
   * about to commit stay.
   */
  forgetOffsets(): void {
    this.#world.trace('the offsets of the group are gone');
    this.offsets.clear();
    this.group.forgetMembers();
  }

  /** Returns C of each partition, or null while a transaction that moves the group is ending. */
  stableOffsets(): readonly (number | null)[] | null {
    this.outages.ask('group');
    if (this.#unsettled > 0) return null;
    return Array.from(
      { length: this.partitions },
      (_, partition) => this.offsets.get(partition) ?? null,
    );
  }

  /** Answers a client that does not ask for stable offsets: now and then with the former ones. */
  unstableOffsets(): readonly (number | null)[] {
    return Array.from({ length: this.partitions }, (_, partition) => {
      const former = this.#formerOffsets.get(partition);
      const isOld =
        former && this.#world.nowMs - former.movedMs < OLD_OFFSETS_MS && this.#world.chance(0.5);
      return isOld ? former.offset : (this.offsets.get(partition) ?? null);
    });
  }

  /**
   * Appends a record outside any transaction. Now and then the marker of a transaction follows, as
   * in a topic that others write too.
   */
  append(topic: string, partition: number, record: LogRecord): number {
    const { entries, leaderEpoch } = this.#log(topic, partition);
    const taken = received(record, this.#world.nowMs);
    const offset =
      entries.push({ record: taken, isMarker: false, leaderEpoch, fate: 'committed' }) - 1;
    if (this.#world.chance(0.05))
      entries.push({ record: taken, isMarker: true, leaderEpoch, fate: 'committed' });
    return offset;
  }

  partitionOf({ key }: LogRecord): number {
    if (key === null) return this.#world.between(0, this.partitions - 1);
    return (
      [...String(key)].reduce((sum, letter) => sum + (letter.codePointAt(0) ?? 0), 0) %
      this.partitions
    );
  }

  /** Returns the offset before which the fate of every entry is decided. */
  stableEnd(topic: string, partition: number): number {
    const log = this.#log(topic, partition);
    while (log.decidedBelow < log.entries.length && log.entries[log.decidedBelow]?.fate !== 'open')
      log.decidedBelow += 1;
    return log.decidedBelow;
  }

  /** Returns the offset after the last record that a `read_committed` client sees; 0: none. */
  end(topic: string, partition: number): number {
    const { entries, start } = this.#log(topic, partition);
    for (let end = this.stableEnd(topic, partition); end > start; end -= 1) {
      const { isMarker, fate } = entries[end - 1] as Entry;
      if (!isMarker && fate === 'committed') return end;
    }
    return 0;
  }

  /** Returns what a `read_committed` client gets. @throws {TroubleError} the leader is moving */
  fetch(
    topic: string,
    partition: number,
    fromOffset: number,
    atMost = Number.POSITIVE_INFINITY,
  ): ReceivedRecord[] {
    this.outages.ask(`leader of ${partition}`);
    const records = this.read(
      topic,
      partition,
      Math.max(fromOffset, this.start(topic, partition)),
      atMost,
    );
    const log = this.#log(topic, partition);
    log.readBelow = Math.max(log.readBelow, (records.at(-1)?.offset ?? -1) + 1);
    return records;
  }

  /** Returns what a `read_committed` client could ever see, also what retention has deleted. */
  read(
    topic: string,
    partition: number,
    fromOffset: number,
    atMost = Number.POSITIVE_INFINITY,
  ): ReceivedRecord[] {
    const found: ReceivedRecord[] = [];
    const entries = this.partition(topic, partition);
    for (let offset = fromOffset; offset < entries.length && found.length < atMost; offset += 1) {
      const { record, isMarker, fate, leaderEpoch } = entries[offset] as Entry;
      if (fate === 'open') break;
      if (fate === 'aborted' || isMarker) continue;
      found.push({ topic, partition, offset, leaderEpoch, ...record });
    }
    return found;
  }

  /** Fences the former holder, and ends its transaction. @returns the epoch; null: ask again */
  initialise(transactionalId: string): number | null {
    this.outages.ask(`transactions of ${transactionalId}`);
    const state = this.#producers.get(transactionalId) ?? { epoch: 0, transaction: null };
    this.#producers.set(transactionalId, state);
    if (state.transaction?.state === 'open') {
      state.epoch += 1;
      this.#end(state, 'aborted');
    }
    if (state.transaction) return null;
    state.epoch += 1;
    return state.epoch;
  }

  /**
   * Begins a transaction, or goes on in one that is still open, as Kafka does.
   * @returns false while the transaction before is still being ended: ask again
   */
  begin(transactionalId: string, epoch: number): boolean {
    const state = this.#holder(transactionalId, epoch);
    if (state.transaction) return state.transaction.state === 'open';
    const transaction: Transaction = { entries: [], offsets: [], state: 'open' };
    state.transaction = transaction;
    this.#world.after(TRANSACTION_TIMEOUT_MS, () => {
      if (state.transaction !== transaction || transaction.state !== 'open') return;
      state.epoch += 1;
      this.#end(state, 'aborted');
    });
    return true;
  }

  send(
    transactionalId: string,
    epoch: number,
    partition: number,
    records: readonly OutgoingRecord[],
  ): void {
    const { transaction } = this.#holder(transactionalId, epoch);
    if (transaction?.state !== 'open') throw new TroubleError('There is no open transaction');
    this.outages.ask(`leader of ${partition}`);
    for (const record of records) {
      const { entries, leaderEpoch } = this.#log(record.topic, partition);
      const entry: Entry = {
        record: received(record, this.#world.nowMs),
        isMarker: false,
        leaderEpoch,
        fate: 'open',
      };
      entries.push(entry);
      transaction.entries.push({ topic: record.topic, partition, entry });
    }
  }

  sendOffset(transactionalId: string, epoch: number, position: GroupPosition): void {
    const { transaction } = this.#holder(transactionalId, epoch);
    if (transaction?.state !== 'open') throw new TroubleError('There is no open transaction');
    this.outages.ask('group');
    transaction.offsets.push(position);
  }

  commit(transactionalId: string, epoch: number): void {
    const state = this.#holder(transactionalId, epoch);
    if (state.transaction?.state !== 'open') throw new TroubleError('There is no open transaction');
    this.#end(state, 'committed');
  }

  #holder(transactionalId: string, epoch: number): ProducerState {
    this.outages.ask(`transactions of ${transactionalId}`);
    const state = this.#producers.get(transactionalId);
    if (state?.epoch !== epoch)
      throw new FencedError(`Another producer has taken over ${transactionalId}`);
    return state;
  }

  /** Decides the fate of a transaction now, and carries it out later, partition by partition. */
  #end(state: ProducerState, fate: 'committed' | 'aborted'): void {
    const transaction = state.transaction as Transaction;
    transaction.state = 'ending';
    if (fate === 'committed')
      this.#onCommit(
        transaction.entries.map(({ topic, entry }) => ({ topic, ...entry.record })),
        transaction.offsets,
      );
    const parts = [
      ...Map.groupBy(
        transaction.entries,
        ({ topic, partition }) => `${topic}/${partition}`,
      ).values(),
    ].map((entries) => () => {
      for (const { entry } of entries) entry.fate = fate;
      const { topic, partition, entry } = entries[0] as (typeof entries)[number];
      const { entries: all, leaderEpoch } = this.#log(topic, partition);
      all.push({ record: entry.record, isMarker: true, leaderEpoch, fate: 'committed' });
    });
    const moves = fate === 'committed' && transaction.offsets.length > 0;
    if (moves) this.#unsettled += 1;
    const moveOffsets = () => {
      if (!moves) return;
      this.#unsettled -= 1;
      for (const { partition, nextOffset } of transaction.offsets) {
        this.#formerOffsets.set(partition, {
          offset: this.offsets.get(partition) ?? null,
          movedMs: this.#world.nowMs,
        });
        this.offsets.set(partition, nextOffset);
      }
    };
    let left = parts.length + 1;
    for (const part of [...parts, moveOffsets]) {
      this.#world.after(this.#world.random() * LONGEST_ENDING_MS, () => {
        part();
        left -= 1;
        if (left === 0) state.transaction = null;
      });
    }
  }
}

function received({ key, value, headers }: LogRecord, timestampMs: number): Entry['record'] {
  return { key: asBuffer(key), value: asBuffer(value), headers, timestampMs };
}

const asBuffer = (bytes: Buffer | string | null) => (bytes === null ? null : Buffer.from(bytes));

/** One machine's client of the log. */
export class SimulatedBroker implements Broker {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #machine: Machine;

  constructor(world: World, log: SimulatedLog, machine: Machine) {
    this.#world = world;
    this.#log = log;
    this.#machine = machine;
  }

  async openProducer(transactionalId: string): Promise<TransactionalProducer> {
    for (;;) {
      const epoch = await this.#ask(`opens ${transactionalId}`, () =>
        this.#log.initialise(transactionalId),
      );
      if (epoch !== null)
        return new SimulatedProducer(this.#world, this.#log, this.#machine, transactionalId, epoch);
      await this.#wait(RETRY_MS);
    }
  }

  async committedOffsets(): Promise<readonly (number | null)[]> {
    for (;;) {
      const offsets = await this.#ask('reads the group offsets', () => this.#log.stableOffsets());
      if (offsets) return offsets;
      await this.#wait(RETRY_MS);
    }
  }

  /** Reads the group's offsets without asking for stable ones. Only a planted bug does that. */
  unstableOffsets(): Promise<readonly (number | null)[]> {
    return this.#ask('reads the group offsets', () => this.#log.unstableOffsets());
  }

  endOfEpoch(topic: string, partition: number, leaderEpoch: number): Promise<EpochEnd> {
    return this.#ask('reads where an epoch ends', () =>
      this.#log.endOfEpoch(topic, partition, leaderEpoch),
    );
  }

  async isCompacted(): Promise<boolean> {
    return false;
  }

  offsetRanges(topic: string): Promise<readonly OffsetRange[]> {
    return this.#ask('reads the ends', () =>
      Array.from({ length: this.#log.partitions }, (_, partition) => {
        this.#log.outages.ask(`leader of ${partition}`);
        return {
          partition,
          beginning: this.#log.start(topic, partition),
          end: this.#log.stableEnd(topic, partition),
        };
      }),
    );
  }

  async consume(options: ConsumeOptions): Promise<GroupConsumer> {
    return this.#log.group.join(this.#machine, options);
  }

  async maxMessageBytes(topic: string): Promise<number> {
    return this.#log.maxMessageBytes.get(topic) ?? MAX_MESSAGE_BYTES;
  }

  async logId(): Promise<string> {
    return 'simulated';
  }

  async ensureTopics(): Promise<void> {}

  publish(topic: string, records: readonly AddressedRecord[]): ReturnType<Broker['publish']> {
    return this.#ask(`publishes ${records.length} to ${topic}`, () =>
      records.map((record) => {
        const partition = record.partition ?? this.#log.partitionOf(record);
        return { partition, offset: this.#log.append(topic, partition, record) };
      }),
    );
  }

  tail(): never {
    throw new Error('The simulation follows no topic');
  }

  async read(
    topic: string,
    ranges: readonly OffsetRange[],
    take: (chunk: ReadChunk) => Promise<void>,
  ): Promise<void> {
    for (const { partition, beginning, end } of ranges) {
      const records = await this.#ask(`reads ${topic}`, () =>
        this.#log.fetch(topic, partition, beginning),
      );
      await take({
        partition,
        records: records.filter(({ offset }) => offset < end),
        nextOffset: end,
      });
    }
  }

  async close(): Promise<void> {}

  #ask<T>(what: string, effect: () => T): Promise<T> {
    return this.#world.request(this.#machine, what, effect);
  }

  #wait(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#world.after(ms, () => this.#machine.hears(resolve));
    return promise;
  }
}

/** The steps of a publication, each of which can fail. */
export type ProducerStep = 'begins' | 'sends' | 'sends its offset' | 'commits';

/**
 * Publishes as the real producer does: joins, sends records and position at once, and commits.
 * After any error the producer is of no use.
 */
export class SimulatedProducer implements TransactionalProducer {
  readonly #world: World;
  readonly #log: SimulatedLog;
  readonly #machine: Machine;
  readonly #id: string;
  readonly #epoch: number;
  #isBusy = false;
  #isClosed = false;
  #mayHaveOpenTransaction = false;
  #dropped: { readonly step: ProducerStep; readonly tries: number } | null = null;

  constructor(
    world: World,
    log: SimulatedLog,
    machine: Machine,
    transactionalId: string,
    epoch: number,
  ) {
    this.#world = world;
    this.#log = log;
    this.#machine = machine;
    this.#id = transactionalId;
    this.#epoch = epoch;
  }

  async publish(records: readonly OutgoingRecord[], position: GroupPosition | null): Promise<void> {
    if (this.#isClosed) throw new TroubleError('The producer is closed');
    if (this.#isBusy) throw new Error('Two publications at once with one producer');
    if (records.length === 0 && !position) return;
    this.#isBusy = true;
    this.#mayHaveOpenTransaction = true;
    try {
      while ((await this.#ask('begins', () => this.#log.begin(this.#id, this.#epoch))) === false) {}
      reachFaultPoint('transaction-joined');
      const byPartition = Map.groupBy(records, (record) => this.#log.partitionOf(record));
      const sending = [...byPartition].map(([partition, of]) =>
        this.#ask('sends', () => this.#log.send(this.#id, this.#epoch, partition, of)),
      );
      await Promise.all([
        Promise.all(sending).then(() => reachFaultPoint('records-sent')),
        position &&
          this.#ask('sends its offset', () =>
            this.#log.sendOffset(this.#id, this.#epoch, position),
          ),
      ]);
      reachFaultPoint('offset-sent');
      await this.#ask('commits', () => this.#log.commit(this.#id, this.#epoch));
      this.#mayHaveOpenTransaction = false;
      reachFaultPoint('broker-committed');
    } catch (error) {
      this.#isClosed = true;
      if (error instanceof FencedError) this.#mayHaveOpenTransaction = false;
      throw error;
    } finally {
      this.#isBusy = false;
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  async settle(): Promise<void> {
    if (!this.#mayHaveOpenTransaction) return;
    const opening = this.#world.request(this.#machine, `settles ${this.#id}`, () =>
      this.#log.initialise(this.#id),
    );
    await opening.catch(() => {});
  }

  /** Opens the producer again after an error. Only a planted bug does that. */
  reopen(): void {
    this.#isClosed = false;
  }

  /** After `tries` more tries, takes a failed step for done. Only a planted bug does that. */
  dropErrorsOf(step: ProducerStep, tries: number): void {
    this.#dropped = { step, tries };
  }

  async #ask<T>(step: ProducerStep, effect: () => T): Promise<T | undefined> {
    const ask = () =>
      this.#world.request(this.#machine, `${step} as ${this.#id}@${this.#epoch}`, effect);
    const dropped = this.#dropped?.step === step ? this.#dropped : null;
    for (let failures = 0; ; failures += 1) {
      try {
        return await ask();
      } catch (error) {
        if (!dropped) throw error;
        if (failures >= dropped.tries) return undefined;
      }
    }
  }
}
