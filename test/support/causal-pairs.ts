import type { StockTables } from './judge/history.ts';

/** The number of pairs that are sent at once. */
const AT_ONCE = 20;
const STOCK_SKUS = 10;
const PLENTY = 1_000_000;

/** A command as it is sent: plain JSON. */
export type PlainCommand = Readonly<Record<string, unknown>>;

/** Sends a command, perhaps several times. Resolves when the command is accepted. */
export type Accept = (command: PlainCommand, number: number) => Promise<void>;

/**
 * Two commands, the second sent once the first is accepted, and the outcome that both must have.
 */
interface Experiment {
  readonly commands: (name: string, stock: string) => readonly [PlainCommand, PlainCommand];
  readonly isRight: (name: string, stock: string, outcome: Outcome) => boolean;
}

/** The content of the database, by the names of an experiment. */
interface Outcome {
  readonly skusOfOrder: ReadonlyMap<string, ReadonlySet<string>>;
  readonly quantities: ReadonlyMap<string, number>;
}

const EXPERIMENTS = {
  'an order that is let go again': {
    commands: (orderid, sku) => [
      { type: 'AllocateOrder', orderid, sku, qty: 1 },
      { type: 'DeallocateOrder', orderid },
    ],
    isRight: (orderid, _, { skusOfOrder }) => !skusOfOrder.has(orderid),
  },
  'a batch that changes': {
    commands: (reference) => [
      { type: 'CreateBatch', reference, sku: `${reference}-SKU`, quantity: 10 },
      { type: 'ChangeBatchQuantity', reference, quantity: 20 },
    ],
    isRight: (reference, _, { quantities }) => quantities.get(reference) === 20,
  },
  'a batch, and an order of it and something else': {
    commands: (name, stock) => [
      { type: 'CreateBatch', reference: name, sku: `${name}-SKU`, quantity: 10 },
      {
        type: 'AllocateOrder',
        orderid: name,
        lines: [`${name}-SKU`, stock].map((sku) => ({ sku, qty: 1 })),
      },
    ],
    isRight: (name, stock, { skusOfOrder }) =>
      skusOfOrder.get(name)?.size === 2 && skusOfOrder.get(name)?.has(stock) === true,
  },
} satisfies Record<string, Experiment>;

type ExperimentName = keyof typeof EXPERIMENTS;
const NAMES = Object.keys(EXPERIMENTS) as ExperimentName[];

/** The number of pairs with a wrong outcome, by experiment. */
export type WrongCounts = Readonly<Record<ExperimentName, number>>;

export const NONE_WRONG = Object.fromEntries(NAMES.map((name) => [name, 0])) as WrongCounts;

/** Pairs of commands whose order matters, under names of their own. */
export class CausalPairs {
  readonly #run: string;
  readonly #count: number;

  /** @param count the number of pairs of each experiment */
  constructor(run: string, count: number) {
    this.#run = run;
    this.#count = count;
  }

  /**
   * Returns the batches that all pairs share. They must be answered before the first pair is sent.
   */
  stock(): readonly PlainCommand[] {
    return Array.from({ length: STOCK_SKUS }, (_, index) => {
      const sku = this.#stockOf(index);
      return { type: 'CreateBatch', reference: sku, sku, quantity: PLENTY };
    });
  }

  /** Returns the commands of all pairs, each second command directly behind its first. */
  inOrder(): readonly PlainCommand[] {
    return this.#pairs().flat();
  }

  /** Sends many pairs at once, each second command as soon as its first is accepted. */
  async send(accept: Accept): Promise<void> {
    const pairs = this.#pairs();
    let next = 0;
    const work = async () => {
      for (let number = next++; number < pairs.length; number = next++) {
        for (const [index, command] of (pairs[number] ?? []).entries())
          await accept(command, number + index);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  /**
   * Counts the pairs with a wrong outcome.
   * @param tables the tables, read once everything is answered
   */
  wrong(tables: StockTables): WrongCounts {
    const skusOfOrder = new Map<string, Set<string>>();
    for (const { orderid, sku } of tables.lines)
      skusOfOrder.set(orderid, (skusOfOrder.get(orderid) ?? new Set()).add(sku));
    const outcome = {
      skusOfOrder,
      quantities: new Map(tables.batches.map(({ reference, quantity }) => [reference, quantity])),
    };
    const countOf = (experiment: ExperimentName) => {
      const numbers = Array.from({ length: this.#count }, (_, number) => number);
      const { isRight } = EXPERIMENTS[experiment];
      return numbers.filter(
        (number) => !isRight(this.#nameOf(experiment, number), this.#stockOf(number), outcome),
      ).length;
    };
    return Object.fromEntries(NAMES.map((name) => [name, countOf(name)])) as WrongCounts;
  }

  #pairs(): readonly (readonly PlainCommand[])[] {
    const pairOf = (experiment: ExperimentName, number: number) => {
      const name = this.#nameOf(experiment, number);
      return EXPERIMENTS[experiment]
        .commands(name, this.#stockOf(number))
        .map((command, index) => ({ id: `${name}-${index}`, ...command }));
    };
    return Array.from({ length: this.#count }, (_, number) =>
      NAMES.map((name) => pairOf(name, number)),
    ).flat();
  }

  #nameOf(experiment: ExperimentName, number: number): string {
    return `${this.#run}-${NAMES.indexOf(experiment)}-${number}`;
  }

  #stockOf(number: number): string {
    return `${this.#run}-STOCK-${number % STOCK_SKUS}`;
  }
}
