import { describe, expect, it } from 'vitest';
import { Product } from '../../../src/domain/model.ts';
import { Parking, ParkingFullError, subjectsOf } from '../../../src/service-layer/parking.ts';
import type { ParkedCommand } from '../../../src/service-layer/unit-of-work.ts';
import { allocateOrder, changeBatchQuantity, createBatch, deallocateOrder } from '../../support/commands.ts';

const lamp = new Product('LAMP');
const products = {
  getByBatchReference: async (reference: string) => (reference === 'known' ? lamp : null),
  getByOrder: async () => [lamp],
};

/** What the database says when these are all that is parked. */
const parked = (commands: readonly ParkedCommand[]) => ({
  commands,
  lastPosition: Math.max(0, ...commands.map(({ position }) => position)),
});

describe('what a command is about', () => {
  it.each([
    [createBatch('b', 'LAMP', 1), ['batch:b', 'sku:LAMP']],
    [allocateOrder('o', 'LAMP'), ['order:o', 'sku:LAMP']],
    [changeBatchQuantity('known', 1), ['batch:known', 'sku:LAMP']],
    [changeBatchQuantity('unknown', 1), ['batch:unknown']],
    [deallocateOrder('o', 'SOFA'), ['order:o', 'sku:SOFA']],
    [deallocateOrder('o'), ['order:o', 'sku:LAMP']],
  ])('%o', async (command, subjects) => {
    expect(await subjectsOf(command, products)).toEqual(subjects);
  });
});

describe('parking', () => {
  const failed = () => {
    const parking = new Parking(parked([]), 3);
    parking.park('failed', ['order:1', 'sku:LAMP'], []);
    return parking;
  };

  it('lets everything pass while nothing has failed', () => {
    expect(new Parking(parked([]), 1).before('any', ['sku:LAMP'])).toEqual([]);
  });

  it('holds back what has a subject in common with what failed, and nothing else', () => {
    const parking = failed();
    expect(parking.before('next', ['order:2', 'sku:LAMP'])).toEqual(['failed']);
    expect(parking.before('next', ['order:2', 'sku:SOFA'])).toEqual([]);
  });

  it('holds back what has a subject in common with what is parked, and says what failed', () => {
    const parking = failed();
    parking.park('parked', ['order:2', 'sku:LAMP'], ['failed']);
    expect(parking.before('next', ['order:2'])).toEqual(['failed']);
  });

  it('knows the products of a batch or an order by what is parked about it, while the database does not', () => {
    const parking = new Parking(parked([]), 3);
    parking.park('creation', ['batch:b', 'sku:LAMP'], []);
    expect(parking.widened(['batch:b'])).toEqual(['batch:b', 'sku:LAMP']);
    expect(parking.widened(['order:2', 'sku:LAMP'])).toEqual(['order:2', 'sku:LAMP']);
    expect(parking.widened(['batch:other'])).toEqual(['batch:other']);
  });

  it('lets the failed one pass when it comes again, and then those behind it in their order', () => {
    const parking = failed();
    parking.park('second', ['sku:LAMP'], ['failed']);
    parking.park('third', ['sku:LAMP'], ['failed']);
    expect(parking.before('failed', ['sku:LAMP'])).toEqual([]);
    expect(parking.before('second', ['sku:LAMP'])).toEqual(['failed']);
    parking.answered('failed');
    expect(parking.before('second', ['sku:LAMP'])).toEqual([]);
    expect(parking.before('third', ['sku:LAMP'])).toEqual(['failed']);
    parking.answered('second');
    parking.answered('third');
    expect(parking.isEmpty).toBe(true);
    expect(parking.changes()).toEqual({ parked: [], unanswered: [], gone: ['failed', 'second', 'third'] });
  });

  it('leaves one that fails, or comes, again where it was', () => {
    const parking = failed();
    parking.park('second', ['sku:LAMP'], ['failed']);
    expect(parking.park('failed', ['sku:LAMP'], []).position).toBe(1);
    expect(parking.park('second', ['sku:LAMP'], ['failed']).position).toBe(2);
    expect(parking.park('third', ['sku:LAMP'], ['failed']).position).toBe(3);
  });

  it('refuses more about one product than the limit, until those are sent again', () => {
    const parking = failed();
    for (const id of ['2', '3', '4']) parking.park(id, [`order:${id}`, 'sku:LAMP'], ['failed']);
    expect(() => parking.park('5', ['sku:LAMP'], ['failed'])).toThrow(ParkingFullError);
    expect(() => parking.park('5', ['sku:LAMP'], ['failed'])).toThrow(/3 commands about LAMP are parked behind failed/);
    expect(parking.park('4', ['sku:LAMP'], ['failed']).position).toBe(4);
    expect(parking.park('6', ['sku:SOFA'], ['failed']).position).toBe(5);
    const sentAgain = new Parking(parked(parking.changes().parked.map((each) => ({ ...each, isRedriven: true }))), 3);
    expect(sentAgain.park('5', ['sku:LAMP'], ['failed']).position).toBe(6);
  });

  it('has room for what comes before a failed command that is being redriven, until that has failed again', () => {
    const parking = failed();
    for (const id of ['2', '3', '4']) parking.park(id, ['sku:LAMP'], ['failed']);
    const redriven = parking.changes().parked.map((each) => ({ ...each, isRedriven: true }));
    const sentAgain = new Parking(parked(redriven), 3);
    // These came through another lane, and found the failed one still before them.
    for (const id of ['2', '3', '4']) sentAgain.park(id, ['sku:LAMP'], ['failed']);
    for (const id of ['5', '6', '7', '8', '9']) sentAgain.park(id, ['sku:LAMP'], ['failed']);
    sentAgain.park('failed', ['sku:LAMP'], []);
    expect(() => sentAgain.park('10', ['sku:LAMP'], ['failed'])).toThrow(ParkingFullError);
    const answered = new Parking(parked(redriven), 3);
    answered.answered('failed');
    expect(answered.park('5', ['sku:LAMP'], ['failed']).position).toBe(5);
  });

  it('has room behind a failed command that was discarded and came again', () => {
    const parking = failed();
    for (const id of ['2', '3', '4']) parking.park(id, ['sku:LAMP'], ['failed']);
    const discarded = new Parking(parked(parking.changes().parked.filter(({ id }) => id !== 'failed')), 3);
    discarded.park('failed', ['sku:LAMP'], discarded.before('failed', ['sku:LAMP']));
    expect(discarded.park('5', ['sku:LAMP'], ['failed']).position).toBe(6);
  });
});
