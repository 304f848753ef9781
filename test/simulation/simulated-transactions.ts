import { FencedError, TroubleError } from '../../src/service-layer/errors.ts';
import type { GroupPosition, OutgoingRecord } from '../../src/service-layer/records.ts';
import type { GroupOffsets } from './group-offsets.ts';
import type { Entry, Fate, LogPartition } from './log-partition.ts';
import type { Outages } from './outages.ts';
import type { World } from './world.ts';

/** The transaction that a transactional id has under way. */
interface Transaction {
  readonly entries: { readonly topic: string; readonly log: LogPartition; readonly entry: Entry }[];
  readonly offsets: GroupPosition[];
  state: 'open' | 'ending';
}

interface ProducerState {
  epoch: number;
  transaction: Transaction | null;
}

/** The parts of the cluster that a transaction writes to. */
interface Cluster {
  readonly outages: Outages;
  readonly offsets: GroupOffsets;
  partition(topic: string, partition: number): LogPartition;
}

/** Hears what a transaction writes, and how it moves the group, when its commit is decided. */
export type OnCommit = (
  records: readonly OutgoingRecord[],
  positions: readonly GroupPosition[],
) => void;

// Kafka's own timeout is a minute. This one is shorter to keep histories short.
const TRANSACTION_TIMEOUT_MS = 9_000;
const LONGEST_ENDING_MS = 40;

/** The coordinator of transactions: it fences producers by epochs, and ends their transactions. */
export class SimulatedTransactions {
  readonly #world: World;
  readonly #cluster: Cluster;
  readonly #onCommit: OnCommit;
  readonly #producers = new Map<string, ProducerState>();

  constructor(world: World, cluster: Cluster, onCommit: OnCommit) {
    this.#world = world;
    this.#cluster = cluster;
    this.#onCommit = onCommit;
  }

  /** The transactional ids that anybody has ever opened. */
  get ids(): readonly string[] {
    return [...this.#producers.keys()];
  }

  /** Fences the former holder, and ends its transaction. @returns the epoch; null: ask again */
  initialise(transactionalId: string): number | null {
    this.#cluster.outages.ask(`transactions of ${transactionalId}`);
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
    const { transaction } = this.#openHolder(transactionalId, epoch);
    this.#cluster.outages.ask(`leader of ${partition}`);
    for (const record of records) {
      const log = this.#cluster.partition(record.topic, partition);
      transaction.entries.push({ topic: record.topic, log, entry: log.add(record, 'open') });
    }
  }

  sendOffset(transactionalId: string, epoch: number, position: GroupPosition): void {
    const { transaction } = this.#openHolder(transactionalId, epoch);
    this.#cluster.outages.ask('group');
    transaction.offsets.push(position);
  }

  commit(transactionalId: string, epoch: number): void {
    this.#end(this.#openHolder(transactionalId, epoch), 'committed');
  }

  #holder(transactionalId: string, epoch: number): ProducerState {
    this.#cluster.outages.ask(`transactions of ${transactionalId}`);
    const state = this.#producers.get(transactionalId);
    if (state?.epoch !== epoch)
      throw new FencedError(`Another producer has taken over ${transactionalId}`);
    return state;
  }

  #openHolder(
    transactionalId: string,
    epoch: number,
  ): ProducerState & { readonly transaction: Transaction } {
    const state = this.#holder(transactionalId, epoch);
    if (!hasOpenTransaction(state)) throw new TroubleError('There is no open transaction');
    return state;
  }

  /** Decides the fate of a transaction now, and carries it out later, partition by partition. */
  #end(state: ProducerState, fate: Fate): void {
    const transaction = state.transaction as Transaction;
    transaction.state = 'ending';
    if (fate === 'committed')
      this.#onCommit(
        transaction.entries.map(({ topic, entry }) => ({ topic, ...entry.record })),
        transaction.offsets,
      );
    const parts = [...Map.groupBy(transaction.entries, ({ log }) => log)].map(
      ([log, entries]) =>
        () => {
          for (const { entry } of entries) entry.fate = fate;
          log.addMarker((entries[0] as (typeof entries)[number]).entry);
        },
    );
    const movesGroup = fate === 'committed' && transaction.offsets.length > 0;
    const moveGroup = movesGroup ? this.#cluster.offsets.beginMove(transaction.offsets) : () => {};
    let left = parts.length + 1;
    for (const part of [...parts, moveGroup]) {
      this.#world.after(this.#world.random() * LONGEST_ENDING_MS, () => {
        part();
        left -= 1;
        if (left === 0) state.transaction = null;
      });
    }
  }
}

function hasOpenTransaction(
  state: ProducerState,
): state is ProducerState & { readonly transaction: Transaction } {
  return state.transaction?.state === 'open';
}
