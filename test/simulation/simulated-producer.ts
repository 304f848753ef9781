import { reachFaultPoint } from '../../src/fault-points.ts';
import type { TransactionalProducer } from '../../src/service-layer/broker.ts';
import { FencedError, TroubleError } from '../../src/service-layer/errors.ts';
import type { GroupPosition, OutgoingRecord } from '../../src/service-layer/records.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { Machine, World } from './world.ts';

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
      while (
        (await this.#ask('begins', () => this.#log.transactions.begin(this.#id, this.#epoch))) ===
        false
      ) {}
      reachFaultPoint('transaction-joined');
      const byPartition = Map.groupBy(records, (record) => this.#log.partitionOf(record));
      const sending = [...byPartition].map(([partition, of]) =>
        this.#ask('sends', () => this.#log.transactions.send(this.#id, this.#epoch, partition, of)),
      );
      await Promise.all([
        Promise.all(sending).then(() => reachFaultPoint('records-sent')),
        position &&
          this.#ask('sends its offset', () =>
            this.#log.transactions.sendOffset(this.#id, this.#epoch, position),
          ),
      ]);
      reachFaultPoint('offset-sent');
      await this.#ask('commits', () => this.#log.transactions.commit(this.#id, this.#epoch));
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
      this.#log.transactions.initialise(this.#id),
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
