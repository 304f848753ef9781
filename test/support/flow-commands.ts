/**
 * The number of products. The first commands of a round bring stock, one command for each product.
 */
export const SKUS = 50;
/** A late command arrives behind at most this many others. */
const LATE_BY = 10;

/** A command as the log receives it, keyed by sku. */
export interface CommandMessage {
  readonly key: string;
  readonly value: string;
}

/**
 * How a flow differs from a smooth one, which sends each command once, in order, as fast as
 * possible.
 */
export interface Roughness {
  /** The share of commands that are sent twice. */
  readonly duplicated: number;
  /** The share of commands that arrive behind later ones. */
  readonly reordered: number;
  /** The pause between two portions. */
  readonly pauseMs: number;
}

/** Returns the commands of the round from one index to another, of every kind. */
export function commandsOf(
  run: string,
  round: number,
  start: number,
  end: number,
): readonly CommandMessage[] {
  return Array.from({ length: end - start }, (_, place) => {
    const index = start + place;
    const sku = `SKU-${index % SKUS}`;
    return { key: sku, value: JSON.stringify(commandOf(run, round, index, sku)) };
  });
}

/**
 * The number of kinds in a row. It has no factor in common with SKUS, so each product gets each
 * kind.
 */
const KINDS = 23;
/** Consecutive batches of a product are due at different times. The first batch is here. */
const ETAS = [null, '2031-06-01', '2030-12-24', '2031-01-15'];

/**
 * Returns one command of a round. The first commands bring stock, less than is ordered for some
 * products. Kinds 0 to 3 are about the plain order SKUS commands before.
 * A rejection or AlreadyAllocated has no place in the sequences, so it must follow from commands of
 * the same lane alone. Otherwise the judge could not tell when it was made. Therefore no command
 * repeats an order of several products.
 */
function commandOf(run: string, round: number, index: number, sku: string): object {
  const id = `${run}-${round}-${index}`;
  const earlierRound = Math.max(0, round - (index % 2));
  const batch = `${sku}-${Math.max(0, round - (index % 3))}`;
  if (index < SKUS) {
    const eta = ETAS[(round + index) % ETAS.length];
    return {
      id,
      type: 'CreateBatch',
      reference: `${sku}-${round}`,
      sku,
      quantity: 5 + 10 * (index % 4),
      eta,
    };
  }
  switch (index % KINDS) {
    case 0:
      return {
        id,
        type: 'DeallocateOrder',
        orderid: orderOf(earlierRound, index - SKUS, sku).orderid,
        sku,
      };
    case 1:
      return { id, ...orderOf(earlierRound, index - SKUS, sku) };
    case 2:
      return { id, ...orderOf(earlierRound, index - SKUS, sku), qty: 9 };
    case 3:
      return { ...orderOf(round, index, sku), id: `${run}-${earlierRound}-${index - SKUS}` };
    case 4:
      return { id, type: 'ChangeBatchQuantity', reference: batch, quantity: index % 10 };
    case 5:
      return { id, type: 'ChangeBatchQuantity', reference: batch, quantity: 10 + (index % 40) };
    case 6: {
      const lines = [0, 1, 2].map((line) => ({
        sku: `SKU-${(index + 7 * line) % SKUS}`,
        qty: 1 + line,
      }));
      return { id, type: 'AllocateOrder', orderid: `order-${round}-${index}`, lines };
    }
    default:
      return { id, ...orderOf(round, index, sku) };
  }
}

function orderOf(round: number, index: number, sku: string) {
  return { type: 'AllocateOrder', orderid: `order-${round}-${index}`, sku, qty: 1 + (index % 3) };
}

/** Returns the same commands, some of them twice, some later. */
export function roughen(
  commands: readonly CommandMessage[],
  { duplicated, reordered }: Roughness,
): readonly CommandMessage[] {
  const rough = commands.flatMap((command) =>
    Math.random() < duplicated ? [command, command] : [command],
  );
  const place = (index: number) =>
    index + (Math.random() < reordered ? 1 + Math.random() * LATE_BY : 0);
  return rough
    .map((command, index) => ({ command, place: place(index) }))
    .sort((a, b) => a.place - b.place)
    .map(({ command }) => command);
}
