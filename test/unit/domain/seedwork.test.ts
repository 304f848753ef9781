import { describe, expect, it } from 'vitest';
import { AggregateRoot, Entity } from '../../../src/domain/entities.ts';
import { OrderLine } from '../../../src/domain/model.ts';
import { CompositeDomainEvent, type DomainEvent, GenericUUID, InvalidUuidError, ValueSet } from '../../../src/domain/value-objects.ts';

const UUID = '3f0e6a3c-1b2c-4d5e-8f90-abcdefabcdef';

describe('a value object', () => {
  it('equals another with the same content, and no other', () => {
    expect(new OrderLine('o', 'S', 1).equals(new OrderLine('o', 'S', 1))).toBe(true);
    expect(new OrderLine('o', 'S', 1).equals(new OrderLine('o', 'S', 2))).toBe(false);
    expect(new OrderLine('o', 'S', 1).equals(undefined)).toBe(false);
  });

  it('cannot be confused by where one field ends and the next begins', () => {
    expect(new OrderLine('a","b', 'c', 1).equals(new OrderLine('a', 'b","c', 1))).toBe(false);
  });

  it('is frozen', () => {
    expect(Object.isFrozen(new OrderLine('o', 'S', 1))).toBe(true);
    expect(Object.isFrozen(new GenericUUID(UUID))).toBe(true);
  });

  it('is once in a set, however often an equal one is added', () => {
    const set = new ValueSet([new OrderLine('o', 'S', 1), new OrderLine('o', 'S', 1)]);
    expect(set.size).toBe(1);
    expect(set.has(new OrderLine('o', 'S', 1))).toBe(true);
    expect(set.delete(new OrderLine('o', 'S', 1))).toBe(true);
    expect([...set]).toEqual([]);
  });
});

describe('a generic UUID', () => {
  it('is the same in capital letters', () => {
    expect(new GenericUUID(UUID.toUpperCase()).equals(new GenericUUID(UUID))).toBe(true);
  });

  it.each(['', 'not a uuid', `${UUID}0`, `{${UUID}}`])('is not made of %j', (text) => {
    expect(() => new GenericUUID(text)).toThrow(InvalidUuidError);
  });
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
  it('equals another with the same id, whatever their state', () => {
    expect(new Shelf(new GenericUUID(UUID), 'left').equals(new Shelf(new GenericUUID(UUID), 'right'))).toBe(true);
  });

  it('does not equal an entity of another kind with the same id', () => {
    expect(new Shelf(new GenericUUID(UUID), 'left').equals(new Counter())).toBe(false);
  });
});

describe('an aggregate root', () => {
  it('hands over its events once, in order', () => {
    const counter = new Counter();
    counter.count('one');
    counter.count('two');
    expect(counter.collectEvents()).toEqual([{ type: 'one' }, { type: 'two' }]);
    expect(counter.collectEvents()).toEqual([]);
  });
});

describe('a composite event', () => {
  const [one, two, three] = [{ type: 'one' }, { type: 'two' }, { type: 'three' }] as const;

  it('dissolves composites inside it, in order', () => {
    const composite = new CompositeDomainEvent([one, new CompositeDomainEvent<DomainEvent>([two, three])]);
    expect([...composite]).toEqual([one, two, three]);
  });

  it('is frozen with its events', () => {
    const composite = new CompositeDomainEvent([one]);
    expect(Object.isFrozen(composite) && Object.isFrozen(composite.events)).toBe(true);
  });
});
