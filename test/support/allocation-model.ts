import type { Command } from '../../src/domain/commands.ts';
import type { Event } from '../../src/domain/events.ts';

/**
 * An event as a consumer sees it: its type, its data, and the sequence of its product if it has
 * one.
 */
export type ModelEvent = { readonly type: string; readonly sequence?: number } & Readonly<
  Record<string, unknown>
>;

/**
 * Returns a domain event as a consumer sees it. The version becomes the sequence. The cause and the
 * sentence for people are left out.
 */
export function asSeen(event: Event): ModelEvent {
  const {
    version,
    because: _,
    detail: __,
    ...seen
  } = event as Event & { version?: number; because?: string; detail?: string };
  return version === undefined ? seen : { ...seen, sequence: version };
}

interface ModelBatch {
  readonly reference: string;
  readonly sku: string;
  readonly eta: string | null;
  quantity: number;
}

interface ModelLine {
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
  readonly batchref: string;
}

/**
 * The meaning of all commands, slow and obvious: two lists, searched from end to end each time. The
 * model shares only the shape of the commands with the service, so that it can judge the service.
 */
export class AllocationModel {
  /** All batches, in the order of their creation. */
  readonly batches: ModelBatch[] = [];
  /** All allocated lines, in the order of allocation: the last is the newest. */
  lines: ModelLine[] = [];
  readonly #sequences = new Map<string, number>();

  handle(command: Command): ModelEvent[] {
    switch (command.type) {
      case 'CreateBatch': {
        const { reference, sku, quantity, eta } = command;
        const existing = this.batches.find((batch) => batch.reference === reference);
        if (existing) {
          const same =
            existing.sku === sku && existing.quantity === quantity && existing.eta === eta;
          return same ? [] : [rejected(command, 'batch-differs', { reference, sku })];
        }
        this.batches.push({ reference, sku, quantity, eta });
        return [{ type: 'BatchCreated', reference, sku, quantity, eta, sequence: this.#next(sku) }];
      }
      case 'AllocateOrder':
        return command.lines.map(({ sku, qty }) => this.#allocate(command, sku, qty));
      case 'ChangeBatchQuantity': {
        const { reference, quantity } = command;
        const batch = this.batches.find((each) => each.reference === reference);
        if (!batch) return [rejected(command, 'unknown-batch', { reference })];
        const { sku } = batch;
        batch.quantity = quantity;
        const events: ModelEvent[] = [
          { type: 'BatchQuantityChanged', reference, sku, quantity, sequence: this.#next(sku) },
        ];
        const letGo: ModelLine[] = [];
        while (this.available(batch) < 0) {
          const newest = this.lines.findLast((line) => line.batchref === reference);
          if (!newest) throw new Error('More is allocated than there are lines');
          this.lines = this.lines.filter((line) => line !== newest);
          letGo.push(newest);
          events.push({ type: 'Deallocated', ...newest, sequence: this.#next(sku) });
        }
        for (const line of letGo) events.push(this.#place(line.orderid, sku, line.qty));
        return events;
      }
      case 'DeallocateOrder': {
        const { orderid, sku } = command;
        const found = this.lines.filter(
          (line) => line.orderid === orderid && (sku === null || line.sku === sku),
        );
        if (found.length === 0)
          return [
            rejected(command, 'unknown-order', sku === null ? { orderid } : { orderid, sku }),
          ];
        this.lines = this.lines.filter((line) => !found.includes(line));
        const inSkuOrder = found.toSorted((a, b) => (a.sku < b.sku ? -1 : 1));
        return inSkuOrder.map((line) => ({
          type: 'Deallocated',
          ...line,
          sequence: this.#next(line.sku),
        }));
      }
    }
  }

  /** Applies an event whose command is lost. */
  take(event: ModelEvent): void {
    const { type, reference, orderid, batchref, sku, sequence } = event as ModelEvent &
      Record<string, string>;
    const { quantity, qty } = event as ModelEvent & Record<string, number>;
    if (sequence !== undefined) this.#sequences.set(String(sku), Number(sequence));
    const batch = this.batches.find((each) => each.reference === reference);
    if (type === 'BatchCreated')
      this.batches.push({
        reference: String(reference),
        sku: String(sku),
        quantity: Number(quantity),
        eta: (event.eta as string) ?? null,
      });
    if (type === 'BatchQuantityChanged' && batch) batch.quantity = Number(quantity);
    if (type === 'Allocated')
      this.lines.push({
        orderid: String(orderid),
        sku: String(sku),
        qty: Number(qty),
        batchref: String(batchref),
      });
    if (type === 'Deallocated')
      this.lines = this.lines.filter((line) => line.orderid !== orderid || line.sku !== sku);
  }

  available(batch: ModelBatch): number {
    const taken = this.lines
      .filter((line) => line.batchref === batch.reference)
      .reduce((sum, { qty }) => sum + qty, 0);
    return batch.quantity - taken;
  }

  #allocate(command: Command & { orderid: string }, sku: string, qty: number): ModelEvent {
    const { orderid } = command;
    if (!this.batches.some((batch) => batch.sku === sku))
      return rejected(command, 'unknown-sku', { orderid, sku });
    const held = this.lines.find((line) => line.orderid === orderid && line.sku === sku);
    if (!held) return this.#place(orderid, sku, qty);
    if (held.qty !== qty) return rejected(command, 'line-differs', { orderid, sku });
    return { type: 'AlreadyAllocated', orderid, sku, qty, batchref: held.batchref };
  }

  #place(orderid: string, sku: string, qty: number): ModelEvent {
    const fitting = this.batches.filter(
      (batch) => batch.sku === sku && this.available(batch) >= qty,
    );
    // '' sorts before every date: stock that is here comes before stock that is due. The sort keeps
    // the order of creation among equals.
    const [first] = fitting.toSorted((a, b) =>
      (a.eta ?? '') < (b.eta ?? '') ? -1 : (a.eta ?? '') > (b.eta ?? '') ? 1 : 0,
    );
    if (!first) return { type: 'OutOfStock', orderid, sku, qty, sequence: this.#next(sku) };
    this.lines.push({ orderid, sku, qty, batchref: first.reference });
    return {
      type: 'Allocated',
      orderid,
      sku,
      qty,
      batchref: first.reference,
      sequence: this.#next(sku),
    };
  }

  #next(sku: string): number {
    const sequence = (this.#sequences.get(sku) ?? 0) + 1;
    this.#sequences.set(sku, sequence);
    return sequence;
  }
}

function rejected(command: Command, reason: string, ids: object): ModelEvent {
  return { type: 'CommandRejected', command: command.type, reason, ...ids };
}
