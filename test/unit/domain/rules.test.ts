import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { AllocationModel, asSeen } from '../../support/allocation-model.ts';
import { anyCommand } from '../../support/arbitrary-commands.ts';
import { quietBus } from '../../support/commands.ts';
import { InMemoryUnitOfWork } from '../../support/in-memory.ts';

const RUNS = { numRuns: 200 };
/** Without `size`, a history has at most 12 commands, and hardly ever shrinks a used batch. */
const anyHistory = fc.array(anyCommand, { minLength: 1, maxLength: 60, size: 'max' });

async function handle(
  history: readonly Command[],
  check: (events: readonly Event[], unitOfWork: InMemoryUnitOfWork) => void = () => {},
) {
  const unitOfWork = new InMemoryUnitOfWork();
  const all: Event[] = [];
  for (const command of history) {
    const events = await quietBus().handle(command, unitOfWork);
    all.push(...events);
    check(events, unitOfWork);
  }
  return all;
}

describe('after any commands, in any order', () => {
  it('the events equal those of the slow model', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        const model = new AllocationModel();
        const expected = history.flatMap((command) => model.handle(command));
        expect((await handle(history)).map(asSeen)).toEqual(expected);
      }),
      RUNS,
    );
  });

  it('no batch is oversold, and its allocated quantity is the sum of its lines', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        await handle(history, (_, { all }) => {
          for (const batch of [...all.values()].flatMap(({ batches }) => batches)) {
            const sum = [...batch.lines].reduce((total, { qty }) => total + qty, 0);
            expect(batch.allocatedQuantity).toBe(sum);
            expect(sum).toBeLessThanOrEqual(batch.quantity);
          }
        });
      }),
      RUNS,
    );
  });

  it('no order has a sku allocated twice', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        await handle(history, (_, { all }) => {
          for (const { batches } of all.values()) {
            const orders = batches.flatMap(({ lines }) => [...lines].map(({ orderid }) => orderid));
            expect(new Set(orders).size).toBe(orders.length);
          }
        });
      }),
      RUNS,
    );
  });

  it('a line of a batch that shrinks is allocated or out of stock in one answer', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        await handle(history, (events) => {
          const letGo = events.filter(
            (event) => event.type === 'Deallocated' && event.because === 'batch-shrank',
          );
          const ended = events.filter(({ type }) => type === 'Allocated' || type === 'OutOfStock');
          const orders = (list: readonly Event[]) =>
            list.map((event) => ('orderid' in event ? event.orderid : ''));
          if (letGo.length > 0) expect(orders(ended)).toEqual(orders(letGo));
        });
      }),
      RUNS,
    );
  });

  it('the versions of each sku rise from 1 without a gap', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        const versioned = (await handle(history)).filter((event) => 'version' in event);
        for (const ofSku of Map.groupBy(versioned, ({ sku }) => sku).values()) {
          expect(ofSku.map(({ version }) => version)).toEqual(ofSku.map((_, index) => index + 1));
        }
      }),
      RUNS,
    );
  });
});

describe('the generated histories', () => {
  it('reach every outcome, with several lines deallocated at once and reallocated', () => {
    const outcomes = new Set<unknown>();
    for (const history of fc.sample(anyHistory, { numRuns: 200, seed: 1 })) {
      const model = new AllocationModel();
      for (const command of history) {
        const events = model.handle(command);
        for (const { type, reason } of events) outcomes.add(reason ?? type);
        if (command.type !== 'ChangeBatchQuantity') continue;
        if (events.filter(({ type }) => type === 'Deallocated').length > 1)
          outcomes.add('several lines let go');
        if (events.some(({ type }) => type === 'Allocated')) outcomes.add('reallocated');
      }
    }
    expect([...outcomes].toSorted()).toEqual(
      [
        'AlreadyAllocated',
        'Allocated',
        'BatchCreated',
        'BatchQuantityChanged',
        'Deallocated',
        'OutOfStock',
        'batch-differs',
        'line-differs',
        'reallocated',
        'several lines let go',
        'unknown-batch',
        'unknown-order',
        'unknown-sku',
      ].toSorted(),
    );
  });
});
