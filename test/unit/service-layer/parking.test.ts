import { describe, expect, it } from 'vitest';
import { formerIdentity } from '../../../src/domain/identity.ts';
import { Product } from '../../../src/domain/product.ts';
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
  getByBatchReference: async (reference: string) => (reference === 'unknown' ? null : lamp),
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

describe('a parked command', () => {
  const command = (id: string, position: number, changes: Partial<ParkedCommand> = {}) => ({
    id,
    subjects: ['sku:LAMP'],
    behind: [],
    position,
    isRedriven: false,
    ...changes,
  });

  it('waits for all failed commands before it, in their order and each once', () => {
    const parking = new Parking(
      stateOf([
        command('third', 3, { behind: ['second'] }),
        command('second', 2),
        command('first', 1),
      ]),
      limits(10),
    );
    expect(parking.failuresBefore('next', ['sku:LAMP'])).toEqual(['first', 'second']);
    expect(parking.failuresBefore('second', ['sku:LAMP'])).toEqual(['first']);
  });

  it('brings no products of commands that only share a product', () => {
    const parked = command('c', 1, { subjects: ['order:1', 'batch:b', 'sku:LAMP', 'sku:SOFA'] });
    const parking = new Parking(stateOf([parked]), limits(10));
    expect(parking.withRelatedProducts(['sku:LAMP'])).toEqual(['sku:LAMP']);
    expect(parking.withRelatedProducts(['order:1'])).toEqual(['order:1', 'sku:LAMP', 'sku:SOFA']);
  });

  it('that comes again counts once', () => {
    const parking = new Parking(stateOf([]), limits(10, 2));
    for (const id of ['1', '1', '1']) parking.park(id, ['sku:1'], []);
    expect(parking.park('2', ['sku:2'], []).position).toBe(2);
  });

  it('that is redriven does not count when it is parked again', () => {
    const parking = new Parking(stateOf([command('c', 1, { isRedriven: true })]), limits(10, 1));
    parking.park('c', ['sku:LAMP'], ['other']);
    expect(parking.park('new', ['sku:SOFA'], []).position).toBe(2);
  });

  it('has room at the limit of its product if it has failed itself', () => {
    const waiting = command('waiting', 2, { behind: ['failed'] });
    const parking = new Parking(stateOf([command('failed', 1), waiting]), limits(1));
    expect(parking.park('failed-too', ['sku:LAMP'], []).position).toBe(3);
    expect(() => parking.park('next', ['sku:LAMP'], ['failed', 'failed-too'])).toThrow(
      'are parked behind failed, failed-too, and',
    );
  });

  it('is not taken for one of a former release that has the same id', () => {
    const both = [command(formerIdentity('cmd'), 1), command('/shop\tcmd', 2)];
    const parking = new Parking(stateOf(both), limits(10));
    parking.markAnswered('/shop\tcmd');
    expect(parking.changes().gone).toEqual(['/shop\tcmd']);
  });

  it('that is parked again behind a failure is still redriven, until it fails itself', () => {
    const parking = new Parking(stateOf([command('c', 1, { isRedriven: true })]), limits(10));
    expect(parking.park('c', ['sku:LAMP'], ['other']).isRedriven).toBe(true);
    expect(parking.park('c', ['sku:LAMP'], []).isRedriven).toBe(false);
    expect(parking.park('new', ['sku:LAMP'], ['c']).isRedriven).toBe(false);
  });

  it('that is redriven makes no room in all when it is answered', () => {
    const redriven = command('1', 1, { isRedriven: true, subjects: ['sku:1'] });
    const parking = new Parking(stateOf([redriven, command('2', 2)]), limits(10, 1));
    parking.markAnswered('1');
    expect(() => parking.park('3', ['sku:3'], [])).toThrow(ParkingFullError);
  });

  it('that is refused is unanswered, and no command waits for it', () => {
    const parking = new Parking(stateOf([command('c', 1)]), limits(10));
    parking.markRefused('c');
    expect(parking.failuresBefore('next', ['sku:LAMP'])).toEqual([]);
    expect(parking.changes()).toEqual({ parked: [], gone: ['c'], unanswered: ['c'] });
  });

  it('is among the changes only if it has changed', () => {
    const parking = new Parking(stateOf([command('old', 1)]), limits(10));
    const parked = parking.park('new', ['sku:SOFA'], []);
    parking.markAnswered('unknown');
    expect(parked).toEqual(command('new', 2, { subjects: ['sku:SOFA'] }));
    expect(parking.changes()).toEqual({ parked: [parked], gone: [], unanswered: ['new'] });
  });

  it('of a former release is known by its id alone', () => {
    const former = command(formerIdentity('cmd'), 4);
    const inPlace = () => new Parking(stateOf([former, command('other', 5)]), limits(10));
    expect(inPlace().failuresBefore('/shop\tcmd', ['sku:LAMP'])).toEqual([]);
    expect(inPlace().failuresBefore('/shop\tnew', ['sku:LAMP'])).toEqual([former.id, 'other']);
    const answered = inPlace();
    answered.markAnswered('/shop\tcmd');
    expect(answered.changes()).toEqual({ parked: [], gone: [former.id], unanswered: [] });
  });

  it('of a former release gets its whole identity when it is parked again', () => {
    const former = command(formerIdentity('cmd'), 4);
    const parking = new Parking(stateOf([former]), limits(10));
    const parked = parking.park('/shop\tcmd', ['sku:LAMP'], []);
    expect(parked).toEqual(command('/shop\tcmd', 4));
    expect(parking.changes()).toEqual({
      parked: [parked],
      gone: [former.id],
      unanswered: ['/shop\tcmd'],
    });
  });

  it('without an id is parked under its place, and unanswered under the redrive', () => {
    const redrive = '/allocation/dead-letters#00\tcommands/0/7';
    const parking = new Parking(stateOf([]), limits(10));
    expect(parking.park(redrive, ['sku:LAMP'], []).id).toBe('\tcommands/0/7');
    expect(parking.changes().unanswered).toEqual([redrive]);
  });

  it('says what to do when its product has no room', () => {
    const parking = new Parking(stateOf([command('/shop\tfailed', 1)]), limits(0));
    expect(() => parking.park('next', ['order:1', 'sku:LAMP'], ['/shop\tfailed'])).toThrow(
      '0 commands about LAMP are parked behind failed, and PARKED_LIMIT allows no more. ' +
        'See "npx allocation dead-letters list --sku LAMP", ' +
        'then redrive or discard the failed commands',
    );
  });
});
