import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AggregateRoot, Entity } from '../../../src/domain/entities.ts';
import { OrderLine } from '../../../src/domain/order-line.ts';
import {
  CompositeDomainEvent,
  type DomainEvent,
  GenericUUID,
  InvalidUuidError,
  ValueObject,
  ValueSet,
} from '../../../src/domain/value-objects.ts';

const UUID = '3f0e6a3c-1b2c-4d5e-8f90-abcdefabcdef';

describe('a value object', () => {
  it('equals only a value object with the same content', () => {
    expect(new OrderLine('o', 'S', 1).equals(new OrderLine('o', 'S', 1))).toBe(true);
    expect(new OrderLine('o', 'S', 1).equals(new OrderLine('o', 'S', 2))).toBe(false);
    expect(new OrderLine('o', 'S', 1).equals(undefined)).toBe(false);
  });

  it('differs if the same text is split into fields in another way', () => {
    const text = fc.string({
      unit: fc.constantFrom('a', '1', ',', '"', '\\', '[', ' '),
      maxLength: 4,
    });
    const line = fc.tuple(text, text, fc.integer({ min: 1, max: 11 }));
    fc.assert(
      fc.property(line, line, (a, b) => {
        expect(new OrderLine(...a).equals(new OrderLine(...b))).toBe(
          a.every((field, index) => field === b[index]),
        );
      }),
      {
        numRuns: 1_000,
        examples: [
          [
            ['a,b', 'c', 1],
            ['a', 'b,c', 1],
          ],
        ],
      },
    );
  });

  it('does not equal an object of another class with the same text', () => {
    class Text extends ValueObject {
      override toString(): string {
        return UUID;
      }
    }
    expect(new GenericUUID(UUID).equals(new Text())).toBe(false);
  });

  it('is frozen', () => {
    expect(Object.isFrozen(new OrderLine('o', 'S', 1))).toBe(true);
    expect(Object.isFrozen(new GenericUUID(UUID))).toBe(true);
  });

  it('is in a set once, however often an equal one is added', () => {
    const set = new ValueSet([new OrderLine('o', 'S', 1), new OrderLine('o', 'S', 1)]);
    expect(set.size).toBe(1);
    expect(set.has(new OrderLine('o', 'S', 1))).toBe(true);
    expect(set.delete(new OrderLine('o', 'S', 1))).toBe(true);
    expect([...set]).toEqual([]);
  });

  it('keeps its place in a set when an equal one is added', () => {
    const [one, two] = [new OrderLine('o', 'S', 1), new OrderLine('o', 'S', 2)];
    const set = new ValueSet([one, two]);
    expect(set.add(new OrderLine('o', 'S', 1))).toBe(false);
    expect(set.size).toBe(2);
    expect([...set]).toEqual([one, two]);
  });

  it('cannot be deleted from a set that does not contain it', () => {
    expect(new ValueSet([new OrderLine('o', 'S', 1)]).delete(new OrderLine('o', 'S', 2))).toBe(
      false,
    );
  });
});

describe('a generic UUID', () => {
  it('equals the same UUID in capital letters', () => {
    expect(new GenericUUID(UUID.toUpperCase()).equals(new GenericUUID(UUID))).toBe(true);
  });

  it.each(['', 'not a uuid', `${UUID}0`, `0${UUID}`, `${UUID}\n`, `{${UUID}}`])(
    'rejects %j',
    (text) => {
      expect(() => new GenericUUID(text)).toThrow(
        expect.objectContaining({
          constructor: InvalidUuidError,
          code: 'invalid-uuid',
          message: `"${text}" is not a UUID`,
        }),
      );
    },
  );
});

class Shelf extends Entity<GenericUUID> {
  readonly id: GenericUUID;
  label: string;

  constructor(id: GenericUUID, label: string) {
    super();
    this.id = id;
    this.label = label;
  }

  override entityId(): GenericUUID {
    return this.id;
  }
}

class Counter extends AggregateRoot<string, DomainEvent> {
  override entityId(): string {
    return UUID;
  }

  count(type: string): void {
    this.registerEvent({ type });
  }
}

describe('an entity', () => {
  it('equals an entity with the same id, whatever their state', () => {
    expect(
      new Shelf(new GenericUUID(UUID), 'left').equals(new Shelf(new GenericUUID(UUID), 'right')),
    ).toBe(true);
  });

  it('does not equal an entity with another id and the same state', () => {
    const other = new GenericUUID(UUID.replace('3', '4'));
    expect(new Shelf(new GenericUUID(UUID), 'left').equals(new Shelf(other, 'left'))).toBe(false);
  });

  it('does not equal an entity of another class with the same id', () => {
    expect(new Shelf(new GenericUUID(UUID), 'left').equals(new Counter())).toBe(false);
  });
});

describe('an aggregate root', () => {
  it('hands its events over once and in order', () => {
    const counter = new Counter();
    counter.count('one');
    counter.count('two');
    expect(counter.collectEvents()).toEqual([{ type: 'one' }, { type: 'two' }]);
    expect(counter.collectEvents()).toEqual([]);
  });
});

describe('a composite event', () => {
  const [one, two, three] = [{ type: 'one' }, { type: 'two' }, { type: 'three' }] as const;

  it('flattens the composites inside it in order', () => {
    const composite = new CompositeDomainEvent([
      one,
      new CompositeDomainEvent<DomainEvent>([two, three]),
    ]);
    expect([...composite]).toEqual([one, two, three]);
  });

  it('has the type CompositeDomainEvent', () => {
    expect(new CompositeDomainEvent([one]).type).toBe('CompositeDomainEvent');
  });

  it('is frozen with its events', () => {
    const composite = new CompositeDomainEvent([one]);
    expect(Object.isFrozen(composite) && Object.isFrozen(composite.events)).toBe(true);
  });
});
