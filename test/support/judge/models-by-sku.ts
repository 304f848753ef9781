import { AllocationModel, type ModelEvent } from '../allocation-model.ts';

type Body = Readonly<Record<string, unknown>>;

/**
 * One slow model for each product, because the stock of one product never depends on that of
 * another.
 */
export class ModelsBySku {
  readonly #models = new Map<string, AllocationModel>();
  readonly #sequences = new Map<string, number>();
  readonly #skuOfReference = new Map<string, string>();
  readonly #skusOfOrder = new Map<string, Set<string>>();

  /** Returns the models of all products but these. */
  except(unknownSkus: ReadonlySet<string>): readonly (readonly [string, AllocationModel])[] {
    return [...this.#models].filter(([sku]) => !unknownSkus.has(sku));
  }

  sequenceOf(sku: string): number {
    return this.#sequences.get(sku) ?? 0;
  }

  /**
   * Tells whether these are the next events of their products. Events of unknown products always
   * pass.
   */
  isNext(events: readonly ModelEvent[], unknownSkus: ReadonlySet<string>): boolean {
    const next = new Map<string, number>();
    return events.every(({ sku, sequence }) => {
      if (sequence === undefined || unknownSkus.has(String(sku))) return true;
      const expected = next.get(String(sku)) ?? this.sequenceOf(String(sku)) + 1;
      next.set(String(sku), expected + 1);
      return sequence === expected;
    });
  }

  /** Returns the events that answer a command. */
  handle(body: Body): ModelEvent[] {
    const events = this.#handle(body);
    for (const { sku, sequence } of events)
      if (sequence !== undefined) this.#sequences.set(String(sku), sequence);
    return events;
  }

  /** Applies the answer to a command that has been deleted. */
  take(events: readonly ModelEvent[]): void {
    for (const event of events) {
      const { type, sku, sequence, reference, orderid } = event as ModelEvent &
        Record<string, string>;
      if (sku === undefined) continue;
      if (type === 'BatchCreated') this.#skuOfReference.set(String(reference), sku);
      if (type === 'Allocated') this.#rememberLine(String(orderid), sku);
      this.#modelOf(sku).take(event);
      if (sequence !== undefined) this.#sequences.set(sku, Number(sequence));
    }
  }

  #handle(body: Body): ModelEvent[] {
    const { type, reference } = body as Record<string, string>;
    switch (type) {
      case 'CreateBatch':
        return this.#createBatch(body);
      case 'AllocateOrder':
        return this.#allocateOrder(body);
      case 'ChangeBatchQuantity':
        return this.#modelOf(this.#skuOfReference.get(String(reference)) ?? '').handle(
          body as never,
        );
      case 'DeallocateOrder':
        return this.#deallocateOrder(body);
      default:
        throw new Error(`The judge knows no command type ${type}`);
    }
  }

  #createBatch(body: Body): ModelEvent[] {
    const { reference, sku, eta = null } = body as Record<string, string>;
    const home = this.#skuOfReference.get(String(reference)) ?? String(sku);
    this.#skuOfReference.set(String(reference), home);
    return this.#modelOf(home).handle({ ...body, eta } as never);
  }

  #allocateOrder(body: Body): ModelEvent[] {
    const { sku, qty } = body;
    const orderid = String(body.orderid);
    const lines = (body.lines ?? [{ sku, qty }]) as { sku: string; qty: number }[];
    return lines.flatMap((line) => {
      this.#rememberLine(orderid, line.sku);
      return this.#modelOf(line.sku).handle({ type: 'AllocateOrder', orderid, lines: [line] });
    });
  }

  #deallocateOrder(body: Body): ModelEvent[] {
    const { orderid, sku } = body as Record<string, string>;
    const order = { type: 'DeallocateOrder' as const, orderid: String(orderid) };
    const skus =
      sku === undefined || sku === null
        ? [...(this.#skusOfOrder.get(String(orderid)) ?? [])]
        : [sku];
    const held = skus
      .filter((each) => this.#modelOf(each).lines.some((line) => line.orderid === orderid))
      .sort();
    if (held.length === 0) return new AllocationModel().handle({ ...order, sku: sku ?? null });
    return held.flatMap((each) => this.#modelOf(each).handle({ ...order, sku: each }));
  }

  #modelOf(sku: string): AllocationModel {
    const model = this.#models.get(sku) ?? new AllocationModel();
    this.#models.set(sku, model);
    return model;
  }

  #rememberLine(orderid: string, sku: string): void {
    this.#skusOfOrder.set(orderid, (this.#skusOfOrder.get(orderid) ?? new Set()).add(sku));
  }
}
