import fc from 'fast-check';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import type { AbusiveMessage } from './abusive-messages.ts';

/** A valid command, and the one right answer to it. */
export interface Step {
  readonly record: LogRecord;
  readonly answer: { readonly type: string; readonly data: object };
}

/** How many commands a story has. */
export const STEPS = 5;

/** Returns five valid commands about one product, in order. */
export function validStory(number: number): readonly Step[] {
  const sku = `VALID ${number}`;
  const [reference, orderid] = [`batch ${number}`, `order ${number}`];
  const line = { orderid, sku, qty: 3 };
  const more = { orderid: `${orderid} more`, sku, qty: 100 };
  const step = (command: object, type: string, data: object): Step => ({
    record: { key: sku, value: JSON.stringify(command), headers: {} },
    answer: { type, data },
  });
  return [
    step({ type: 'CreateBatch', reference, sku, quantity: 10 }, 'BatchCreated', {
      reference,
      sku,
      quantity: 10,
      eta: null,
    }),
    step({ type: 'AllocateOrder', ...line }, 'Allocated', { ...line, batchref: reference }),
    step({ type: 'AllocateOrder', ...line }, 'AlreadyAllocated', { ...line, batchref: reference }),
    step({ type: 'ChangeBatchQuantity', reference, quantity: 7 }, 'BatchQuantityChanged', {
      reference,
      sku,
      quantity: 7,
    }),
    step({ type: 'AllocateOrder', ...more }, 'OutOfStock', more),
  ];
}

/** Mixes messages and stories at random. The steps of a story stay in order. */
export function mix(
  messages: readonly AbusiveMessage[],
  stories: readonly (readonly Step[])[],
  seed: number,
): readonly (AbusiveMessage | Step)[] {
  const numRuns = messages.length + stories.length * STEPS;
  const times = fc.sample(fc.noBias(fc.nat()), { seed, numRuns });
  const timed: { at: number; item: AbusiveMessage | Step }[] = messages.map((item, index) => ({
    at: times[index] ?? 0,
    item,
  }));
  for (const [index, steps] of stories.entries()) {
    const own = times.slice(messages.length + index * steps.length).slice(0, steps.length);
    own.sort((a, b) => a - b);
    timed.push(...steps.map((item, at) => ({ at: own[at] ?? 0, item })));
  }
  return timed.toSorted((a, b) => a.at - b.at).map(({ item }) => item);
}
