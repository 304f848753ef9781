import { CommandFlow } from './command-flow.ts';

const SKUS = 12;
const COMMANDS_PER_SKU = 15;

/** Commands about one product each, keyed by it. Some orders are `poison`: the service with the bug (buggy-service.ts) fails on them. */
export class PoisonedFlow extends CommandFlow {
  /** The ids of each product's commands, in the order in which they were sent. */
  readonly idsBySku = new Map<string, string[]>();
  readonly #rounds: number;

  /** @param rounds in each of them other products are poisoned, for the first time */
  constructor(brokers: string, rounds: number) {
    super(brokers);
    this.#rounds = rounds;
  }

  /** Sends one round, the products in turn, each command until it is acknowledged; every tenth is sent twice. */
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

/** Stock comes first; it is too little for all, so that the order of the commands decides who gets it. */
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
