import { CommandFlow } from './command-flow.ts';

const SKUS = 12;
const COMMANDS_PER_SKU = 15;

/**
 * Sends commands about one product each, keyed by product. Some order ids begin with `poison`: the
 * service with the bug (buggy-service.ts) fails on those orders.
 */
export class PoisonedFlow extends CommandFlow {
  /** The ids of the commands of each product, in the order of sending. */
  readonly idsBySku = new Map<string, string[]>();
  readonly #rounds: number;

  /** @param rounds the number of rounds; each round poisons other products for the first time */
  constructor(brokers: string, rounds: number) {
    super(brokers);
    this.#rounds = rounds;
  }

  /**
   * Sends one round, product by product in turn, each command until it is acknowledged. Every tenth
   * command of a product is sent twice.
   */
  async sendPoisoned(round: number): Promise<void> {
    for (let index = 0; index < COMMANDS_PER_SKU; index += 1) {
      const messages = Array.from({ length: SKUS }, (_, product) => {
        const sku = `SKU-${product}`;
        const isPoisoned = product % this.#rounds === round && index % 8 === 3;
        const command = {
          id: `${sku}/${round}/${index}`,
          ...commandOf(sku, round, index, isPoisoned),
        };
        this.idsBySku.set(sku, [...(this.idsBySku.get(sku) ?? []), command.id]);
        return { key: sku, value: JSON.stringify(command) };
      });
      await this.publish(index % 10 === 9 ? [...messages, ...messages] : messages);
    }
  }
}

/**
 * Returns one command. Stock comes first and is too little, so the order of the commands decides
 * who gets it.
 */
function commandOf(sku: string, round: number, index: number, isPoisoned: boolean): object {
  const batch = { reference: `${sku} ${round}`, sku };
  if (index === 0) return { type: 'CreateBatch', ...batch, quantity: 30 };
  if (index % 9 === 5)
    return { type: 'ChangeBatchQuantity', reference: batch.reference, quantity: 10 + index };
  if (index % 9 === 7)
    return { type: 'DeallocateOrder', orderid: `order ${sku} ${round} ${index - 1}`, sku };
  return {
    type: 'AllocateOrder',
    orderid: `${isPoisoned ? 'poison' : 'order'} ${sku} ${round} ${index}`,
    sku,
    qty: 1 + (index % 3),
  };
}
