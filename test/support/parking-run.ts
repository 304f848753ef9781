import type { Release } from '../../src/adapters/database/lanes/parked-release.ts';
import { plan } from '../../src/dead-letters/plan.ts';
import { replacementRecord } from '../../src/dead-letters/redrive-records.ts';
import { Redriver } from '../../src/dead-letters/redriver.ts';
import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';
import type { Broker } from '../../src/service-layer/broker.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';
import type { UnitOfWork } from '../../src/service-layer/unit-of-work.ts';
import { readDeadLetters } from './dead-letters.ts';
import { RunningService } from './running-service.ts';

/** Fails on the order `poison` until its bug is mended. */
class BusWithBug extends MessageBus {
  isMended = false;

  constructor() {
    super({ notifications: { outOfStock() {} } });
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if (!this.isMended && 'orderid' in command && command.orderid === 'poison')
      throw new Error('the handler has a bug');
    return super.handle(command, unitOfWork);
  }
}

/** A service whose handler has a bug, with a batch of 10 LAMPs and a batch of 10 SOFAs. */
export class ParkingRun implements AsyncDisposable {
  readonly running: RunningService;
  readonly bus: BusWithBug;

  private constructor(running: RunningService, bus: BusWithBug) {
    this.running = running;
    this.bus = bus;
  }

  static async start(environment: Record<string, string>): Promise<ParkingRun> {
    const bus = new BusWithBug();
    const running = await RunningService.start({ ...environment, TOPIC_PARTITIONS: '1' }, { bus });
    for (const sku of ['LAMP', 'SOFA'])
      await running.send({ type: 'CreateBatch', id: sku, reference: sku, sku, quantity: 10 });
    return new ParkingRun(running, bus);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.running[Symbol.asyncDispose]();
  }

  /** Lists the reasons of the dead letters that were written, in order. */
  reasons(): readonly string[] {
    return this.running.deadLetters
      .filter(({ value }) => value !== null)
      .map(({ headers }) => String(headers['dead-letter-reason']));
  }

  /** Lists the ids of the commands that the events answer, in order. */
  answeredIds(): readonly string[] {
    return this.running.events.map(({ headers }) => String(headers.ce_causationid));
  }

  /** Edits the dead letter of the command `poison` with the command line. */
  edit(message: string, ...options: readonly string[]) {
    return this.running.cli(
      ...['dead-letters', 'redrive', '--id', 'poison', '--edit', message],
      ...options,
    );
  }

  /**
   * Redrives an edit of the command `poison` as the CLI does, with a database or a broker that may
   * fail.
   */
  async redriveEdit(
    command: object,
    tellDatabase: (release: Release) => Promise<void>,
    broker: Broker = this.running.service.broker,
  ): Promise<void> {
    const { config } = this.running;
    const open = await readDeadLetters(broker, config.deadLettersTopic);
    const letter = open.find(({ commandId }) => commandId === 'poison');
    if (!letter) throw new Error('There is no dead letter');
    const redriver = new Redriver({
      broker,
      config,
      release: tellDatabase,
      edit: { letter, replacement: replacementRecord(letter, JSON.stringify(command)) },
      by: 'operator@here',
      signal: new AbortController().signal,
      listener: { onResolved() {}, onFailedAgain() {}, onUnanswered() {} },
    });
    await redriver.carryOut(plan('redrive', [letter], open, 3));
  }
}

/** Makes an order, as a command whose id is that of the order. */
export function order(orderid: string, sku = 'LAMP', qty = 1) {
  return { type: 'AllocateOrder', id: orderid, orderid, sku, qty };
}
