import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partitionOfKey } from '../../../src/adapters/broker/kafka/key-partition.ts';
import type { Event } from '../../../src/domain/events.ts';
import { OrderWays } from '../../../src/order-way/order-ways.ts';
import { WAY_CURSOR } from '../../../src/order-way/search-cursor.ts';
import { inOrder } from '../../../src/order-way/step-order.ts';
import type { SearchControl } from '../../../src/order-way/tracks.ts';
import type { LinkedStep } from '../../../src/order-way/way-step.ts';
import { allocateOrder, changeBatchQuantity, deallocateOrder } from '../../support/commands.ts';
import type { MemoryLog } from '../../support/memory-log.ts';
import {
  type Chances,
  nameOf,
  OrderStory,
  STORY_PARTITIONS,
  TOPICS,
} from '../../support/order-story.ts';

const ORDERS = ['order-1', 'order-2', 'order-"3"'];
/** Each part of a search ends behind one stretch. */
const IMPATIENT: SearchControl = { isTimeUp: () => true, rest: async () => {} };
const PATIENT: SearchControl = { isTimeUp: () => false, rest: async () => {} };
const MAX_PARTS = 10_000;

/** Searches until everything is searched. @returns the steps of each part */
async function partsOf(log: MemoryLog, orderid: string, control: SearchControl) {
  const ways = new OrderWays({ ...TOPICS, broker: log });
  const parts: (readonly LinkedStep[])[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const part = await ways.search(orderid, [], cursor, control);
    parts.push(part.steps);
    const { offsets, ofOffsets } = part.searchedUntil;
    expect(part.cursor === null).toBe(offsets === ofOffsets);
    cursor = part.cursor;
    if (cursor !== null) expect(cursor).toMatch(WAY_CURSOR);
    if (parts.length > MAX_PARTS) throw new Error('The search does not end');
  }
  return parts;
}

const named = ({ kind, place, eventId }: Pick<LinkedStep, 'kind' | 'place' | 'eventId'>) =>
  nameOf(kind, place, eventId);

/** Joins the parts as the contract says. */
function joined(parts: readonly (readonly LinkedStep[])[]): readonly string[] {
  const steps = new Map(parts.flatMap((part) => inOrder(part)).map((step) => [named(step), step]));
  return [...steps.values()]
    .sort((one, other) => (one.sortKey < other.sortKey ? -1 : 1))
    .map(named);
}

const calm: Chances = { partition: () => 0, gap: () => 0, passedMs: () => 5, skewMs: () => 0 };

/** What happens next in a story, by numbers that the test draws. */
const happenings = fc.array(
  fc.record({
    what: fc.constantFrom('answer', 'reallocate', 'fail', 'redrive', 'edit', 'discard', 'wait'),
    order: fc.nat(ORDERS.length - 1),
    lines: fc.integer({ min: 1, max: 4 }),
    partitions: fc.infiniteStream(fc.nat(STORY_PARTITIONS - 1)),
    gaps: fc.infiniteStream(fc.constantFrom(0, 0, 700, 6_000)),
    skews: fc.infiniteStream(fc.integer({ min: -3_000, max: 3_000 })),
    hasRoom: fc.boolean(),
    hasKey: fc.boolean(),
  }),
  { minLength: 1, maxLength: 25 },
);

type Happening = (typeof happenings extends fc.Arbitrary<infer T> ? T : never)[number];

function tell(all: readonly Happening[]): OrderStory {
  let now = all[0] as Happening;
  const draw = <T>(stream: fc.Stream<T>) => stream.next().value as T;
  const story = new OrderStory({
    partition: () => draw(now.partitions),
    gap: () => draw(now.gaps),
    passedMs: () => 7,
    skewMs: () => draw(now.skews),
  });
  const versions = new Map<string, number>();
  const version = (sku: string) => {
    versions.set(sku, (versions.get(sku) ?? 0) + 1);
    return versions.get(sku) ?? 0;
  };
  const moved = (type: 'Allocated' | 'Deallocated', orderid: string, sku: string): Event => {
    const line = { orderid, sku, qty: 1, batchref: 'b1', version: version(sku) };
    return type === 'Allocated' ? { type, ...line } : { type, ...line, because: 'batch-shrank' };
  };
  const failed: ReturnType<OrderStory['fail']>[] = [];
  const allocate = (orderid: string, lines: number) => {
    const skus = Array.from({ length: lines }, (_, index) => `sku-${index}`);
    return { skus, command: { ...allocateOrder(orderid, ''), lines: linesOf(skus) } as const };
  };
  for (now of all) {
    const orderid = ORDERS[now.order] as string;
    const { skus, command } = allocate(orderid, now.lines);
    const allocated = () => skus.map((sku) => moved('Allocated', orderid, sku));
    if (now.what === 'answer')
      story.answer(story.send(command), allocated(), now.hasRoom ? undefined : 1_500);
    if (now.what === 'reallocate')
      story.answer(
        story.send(changeBatchQuantity('b1', 1)),
        ORDERS.slice(0, now.lines).flatMap((each) => [
          moved('Deallocated', each, 'sku-0'),
          moved('Allocated', each, 'sku-0'),
        ]),
      );
    if (now.what === 'fail')
      failed.push(
        story.fail(
          story.send(command, now.hasKey),
          now.lines > 2 ? 'parked-behind' : 'handler-failed',
          now.hasRoom,
        ),
      );
    if (now.what === 'wait') story.send(deallocateOrder(orderid));
    const letter = ['redrive', 'edit', 'discard'].includes(now.what) ? failed.shift() : undefined;
    if (letter && now.what === 'discard') story.discard(letter);
    else if (letter) {
      const of = JSON.parse(String(letter.record.value)).orderid;
      const edited = now.what === 'edit' ? allocateOrder(of, 'sku-0') : null;
      story.answer(story.redrive(letter, edited), [moved('Allocated', of, 'sku-0')]);
    }
  }
  return story;
}

const linesOf = (skus: readonly string[]) => skus.map((sku) => ({ sku, qty: 1 }));

describe('the way of an order', () => {
  it('has every step of the order and none of another, however the search is cut', async () => {
    await fc.assert(
      fc.asyncProperty(happenings, fc.boolean(), async (all, isPatient) => {
        const story = tell(all);
        for (const orderid of ORDERS) {
          const parts = await partsOf(story.log, orderid, isPatient ? PATIENT : IMPATIENT);
          expect(new Set(joined(parts))).toEqual(story.stepsOf(orderid));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('puts causes before effects, whatever the clocks of the senders say', async () => {
    await fc.assert(
      fc.asyncProperty(happenings, async (all) => {
        const story = tell(all);
        for (const orderid of ORDERS) {
          const steps = (await partsOf(story.log, orderid, IMPATIENT)).flat();
          const unique = [...new Map(steps.map((step) => [named(step), step])).values()];
          const places = new Map(inOrder(unique).map((step, index) => [named(step), index]));
          for (const { pair } of story.follows.filter((each) => each.orderid === orderid)) {
            const [before, after] = pair.map((name) => places.get(name) ?? -1) as [number, number];
            expect(before, `${pair}`).toBeLessThan(after);
          }
        }
      }),
      { numRuns: 60 },
    );
  });

  it('names the change of a batch that took the stock away', async () => {
    const story = new OrderStory(calm);
    story.answer(story.send(changeBatchQuantity('b1', 1)), [
      { type: 'BatchQuantityChanged', reference: 'b1', sku: 'A', quantity: 1, version: 2 },
      deallocated('order-1', 3),
      { type: 'Allocated', orderid: 'order-1', sku: 'A', qty: 1, batchref: 'b2', version: 4 },
    ]);
    const ways = new OrderWays({ ...TOPICS, broker: story.log });
    const { steps } = await ways.search('order-1', [], '', PATIENT);
    expect(inOrder(steps).map(({ kind, type, details }) => [kind, type, details])).toEqual([
      ['received', 'ChangeBatchQuantity', 'b1 has 1 now'],
      ['decided', 'Deallocated', '1 of A back to b1'],
      ['decided', 'Allocated', '1 of A from b2'],
      ['published', 'CompositeDomainEvent', '2 of 3 events are about this order'],
    ]);
  });

  it('says what an operator did about a failed command, and by whom', async () => {
    const story = new OrderStory(calm);
    const failure = story.fail(story.send(allocateOrder('order-1', 'A')), 'handler-failed', true);
    story.answer(story.redrive(failure), [
      { type: 'OutOfStock', orderid: 'order-1', sku: 'A', qty: 1, version: 1 },
    ]);
    const ways = new OrderWays({ ...TOPICS, broker: story.log });
    const { steps } = await ways.search('order-1', [], '', PATIENT);
    expect(inOrder(steps).map(({ kind, details }) => [kind, details])).toEqual([
      ['received', 'wants 1 of A'],
      ['dead-letter', 'handler-failed: the handler has a bug'],
      ['redriven', 'by ann@desk'],
      ['received', 'wants 1 of A (redrive 1)'],
      ['decided', 'no batch has 1 of A left'],
      ['published', 'one event'],
    ]);
  });

  it('is found without its command when retention has deleted that', async () => {
    const story = new OrderStory(calm);
    const command = story.send(allocateOrder('order-1', 'A'));
    story.answer(command, [
      { type: 'Allocated', orderid: 'order-1', sku: 'A', qty: 1, batchref: 'b1', version: 1 },
    ]);
    story.log.deleteBefore(TOPICS.commandsTopic, 0, command.offset + 1);
    const [steps = []] = await partsOf(story.log, 'order-1', PATIENT);
    expect(steps.map(({ kind }) => kind)).toEqual(['decided', 'published']);
  });

  it('is searched in the partitions of its keys first', async () => {
    const own = partitionOfKey('order-1', STORY_PARTITIONS);
    const story = new OrderStory({ ...calm, partition: () => own, gap: () => 20_000 });
    story.answer(story.send(allocateOrder('order-1', 'order-1')), []);
    const noise = { key: null, value: '{}', headers: {} };
    for (const topic of Object.values(TOPICS))
      story.log.append(topic, own === 2 ? 1 : 2, noise, 0, 5_000_000);
    const ways = new OrderWays({ ...TOPICS, broker: story.log });
    for (let cursor: string | null = '', found = 0; found === 0; ) {
      const part = await ways.search('order-1', [], cursor ?? '', IMPATIENT);
      found = part.steps.length;
      cursor = part.cursor;
    }
    expect(story.log.readOffsets).toBeLessThan(100_000);
  });

  it('ends a part early when very much is found, and goes on behind it', async () => {
    const story = new OrderStory(calm);
    for (let count = 0; count < 300; count += 1) story.send(allocateOrder('order-1', 'A'));
    const parts = await partsOf(story.log, 'order-1', PATIENT);
    expect(parts.map((part) => part.length)).toEqual([50, 50, 50, 50, 50, 50]);
    expect(new Set(joined(parts))).toEqual(story.stepsOf('order-1'));
  });
});

function deallocated(orderid: string, version: number): Event {
  const line = { orderid, sku: 'A', qty: 1, batchref: 'b1', version };
  return { type: 'Deallocated', ...line, because: 'batch-shrank' };
}
