import { describe, expect, it } from 'vitest';
import { Product } from '../../../src/domain/model.ts';
import type { ParkedCommand } from '../../../src/service-layer/parked-command.ts';
import { Parking, ParkingFullError, subjectsOf } from '../../../src/service-layer/parking.ts';
import {
  allocateOrder,
  changeBatchQuantity,
  createBatch,
  deallocateOrder,
} from '../../support/commands.ts';

const lamp = new Product('LAMP');
const products = {
  getByBatchReference: async (reference: string) => (reference === 'known' ? lamp : null),
  getByOrder: async () => [lamp],
};

/** Builds what the database says if these are all parked commands. */
const stateOf = (commands: readonly ParkedCommand[]) => ({
  commands,
  lastPosition: Math.max(0, ...commands.map(({ position }) => position)),
  notRedriven: commands.filter(({ isRedriven }) => !isRedriven).length,
});
const limits = (ofProduct: number, inAll = 1_000) => ({ ofProduct, inAll });

describe('the subjects of a command', () => {
  it.each([
    [createBatch('b', 'LAMP', 1), ['batch:b', 'sku:LAMP']],
    [allocateOrder('o', 'LAMP'), ['order:o', 'sku:LAMP']],
    [changeBatchQuantity('known', 1), ['batch:known', 'sku:LAMP']],
    [changeBatchQuantity('unknown', 1), ['batch:unknown']],
    [deallocateOrder('o', 'SOFA'), ['order:o', 'sku:SOFA']],
    [deallocateOrder('o'), ['order:o', 'sku:LAMP']],
  ])('of $type are $1', async (command, subjects) => {
    expect(await subjectsOf(command, products)).toEqual(subjects);
  });
});

describe('parking', () => {
  const failed = () => {
    const parking = new Parking(stateOf([]), limits(3));
    parking.park('failed', ['order:1', 'sku:LAMP'], []);
    return parking;
  };

  it('lets every command pass while none has failed', () => {
    expect(new Parking(stateOf([]), limits(1)).failuresBefore('any', ['sku:LAMP'])).toEqual([]);
  });

  it('holds back only commands that share a subject with a failed command', () => {
    const parking = failed();
    expect(parking.failuresBefore('next', ['order:2', 'sku:LAMP'])).toEqual(['failed']);
    expect(parking.failuresBefore('next', ['order:2', 'sku:SOFA'])).toEqual([]);
  });

  it('holds back what shares a subject with a parked command, and names the failure', () => {
    const parking = failed();
    parking.park('parked', ['order:2', 'sku:LAMP'], ['failed']);
    expect(parking.failuresBefore('next', ['order:2'])).toEqual(['failed']);
  });

  it('finds the products of a batch or order in the commands parked about it', () => {
    const parking = new Parking(stateOf([]), limits(3));
    parking.park('creation', ['batch:b', 'sku:LAMP'], []);
    expect(parking.withRelatedProducts(['batch:b'])).toEqual(['batch:b', 'sku:LAMP']);
    expect(parking.withRelatedProducts(['order:2', 'sku:LAMP'])).toEqual(['order:2', 'sku:LAMP']);
    expect(parking.withRelatedProducts(['batch:other'])).toEqual(['batch:other']);
  });

  it('lets a failed command pass when it comes again, then those behind it in order', () => {
    const parking = failed();
    parking.park('second', ['sku:LAMP'], ['failed']);
    parking.park('third', ['sku:LAMP'], ['failed']);
    expect(parking.failuresBefore('failed', ['sku:LAMP'])).toEqual([]);
    expect(parking.failuresBefore('second', ['sku:LAMP'])).toEqual(['failed']);
    parking.markAnswered('failed');
    expect(parking.failuresBefore('second', ['sku:LAMP'])).toEqual([]);
    expect(parking.failuresBefore('third', ['sku:LAMP'])).toEqual(['failed']);
    parking.markAnswered('second');
    parking.markAnswered('third');
    expect(parking.isEmpty).toBe(true);
    expect(parking.changes()).toEqual({
      parked: [],
      unanswered: [],
      gone: ['failed', 'second', 'third'],
    });
  });

  it('keeps the position of a command that fails or comes again', () => {
    const parking = failed();
    parking.park('second', ['sku:LAMP'], ['failed']);
    expect(parking.park('failed', ['sku:LAMP'], []).position).toBe(1);
    expect(parking.park('second', ['sku:LAMP'], ['failed']).position).toBe(2);
    expect(parking.park('third', ['sku:LAMP'], ['failed']).position).toBe(3);
  });

  it('refuses commands beyond the limit of a product until the parked are redriven', () => {
    const parking = failed();
    for (const id of ['2', '3', '4']) parking.park(id, [`order:${id}`, 'sku:LAMP'], ['failed']);
    expect(() => parking.park('5', ['sku:LAMP'], ['failed'])).toThrow(ParkingFullError);
    expect(() => parking.park('5', ['sku:LAMP'], ['failed'])).toThrow(
      /3 commands about LAMP are parked behind failed/,
    );
    expect(parking.park('4', ['sku:LAMP'], ['failed']).position).toBe(4);
    expect(parking.park('6', ['sku:SOFA'], ['failed']).position).toBe(5);
    const sentAgain = new Parking(
      stateOf(parking.changes().parked.map((each) => ({ ...each, isRedriven: true }))),
      limits(3),
    );
    expect(sentAgain.park('5', ['sku:LAMP'], ['failed']).position).toBe(6);
  });

  it('has room behind a failed command that is redriven, until it fails again', () => {
    const parking = failed();
    for (const id of ['2', '3', '4']) parking.park(id, ['sku:LAMP'], ['failed']);
    const redriven = parking.changes().parked.map((each) => ({ ...each, isRedriven: true }));
    const sentAgain = new Parking(stateOf(redriven), limits(3));
    // These commands come through another lane before the failed command is answered.
    for (const id of ['2', '3', '4']) sentAgain.park(id, ['sku:LAMP'], ['failed']);
    for (const id of ['5', '6', '7', '8', '9']) sentAgain.park(id, ['sku:LAMP'], ['failed']);
    sentAgain.park('failed', ['sku:LAMP'], []);
    expect(() => sentAgain.park('10', ['sku:LAMP'], ['failed'])).toThrow(ParkingFullError);
    const answered = new Parking(stateOf(redriven), limits(3));
    answered.markAnswered('failed');
    expect(answered.park('5', ['sku:LAMP'], ['failed']).position).toBe(5);
  });

  it('has room behind a failed command that was discarded and sent again', () => {
    const parking = failed();
    for (const id of ['2', '3', '4']) parking.park(id, ['sku:LAMP'], ['failed']);
    const discarded = new Parking(
      stateOf(parking.changes().parked.filter(({ id }) => id !== 'failed')),
      limits(3),
    );
    discarded.park('failed', ['sku:LAMP'], discarded.failuresBefore('failed', ['sku:LAMP']));
    expect(discarded.park('5', ['sku:LAMP'], ['failed']).position).toBe(6);
  });

  it('refuses even a failed command beyond the limit in all, and says what to do', () => {
    const parking = new Parking(stateOf([]), limits(10, 3));
    for (const id of ['1', '2']) parking.park(id, [`sku:${id}`], []);
    parking.park('3', ['sku:1'], ['1']);
    expect(() => parking.park('4', ['sku:1'], ['1'])).toThrow(ParkingFullError);
    expect(() => parking.park('4', ['sku:4'], [])).toThrow(
      /3 commands are parked in all, .*PARKED_TOTAL_LIMIT.* redrive or discard/,
    );
    expect(parking.park('3', ['sku:1'], ['1']).position).toBe(3);
    expect(parking.park('2', ['sku:2'], []).position).toBe(2);
  });

  it('has room in all once a parked command is answered, discarded or redriven', () => {
    const parking = new Parking(stateOf([]), limits(10, 2));
    for (const id of ['1', '2']) parking.park(id, [`sku:${id}`], []);
    const full = parking.changes().parked;
    expect(() => new Parking(stateOf(full), limits(10, 2)).park('3', ['sku:3'], [])).toThrow(
      ParkingFullError,
    );
    expect(
      new Parking(stateOf(full.slice(1)), limits(10, 2)).park('3', ['sku:3'], []).position,
    ).toBe(3);
    const sentAgain = full.map((each, index) => ({ ...each, isRedriven: index === 0 }));
    expect(new Parking(stateOf(sentAgain), limits(10, 2)).park('3', ['sku:3'], []).position).toBe(
      3,
    );
    parking.markAnswered('1');
    expect(parking.park('3', ['sku:3'], []).position).toBe(3);
  });

  it('never holds up a sequence that is redriven, however much is parked in all', () => {
    const parking = new Parking(stateOf([]), limits(10, 2));
    parking.park('1', ['sku:1'], []);
    parking.park('2', ['sku:2'], []);
    const sentAgain = parking
      .changes()
      .parked.map((each) => ({ ...each, isRedriven: each.id === '1' }));
    const redriven = new Parking({ ...stateOf(sentAgain), notRedriven: 2 }, limits(10, 2));
    expect(redriven.park('3', ['sku:1'], ['1']).position).toBe(3);
    expect(() => redriven.park('4', ['sku:2'], ['2'])).toThrow(ParkingFullError);
  });
});
