import { describe, expect, it } from 'vitest';
import { compositeVersions, eventVersions } from '../../../src/messages/event-schemas.ts';
import { commandVersions } from '../../../src/messages/incoming.ts';
import {
  dataschemaOf,
  UnfitDataError,
  upcast,
  type Versions,
  versionOf,
} from '../../../src/messages/versions.ts';

/** A type that was changed twice: a field got a new name, then a second one was added. */
const changedTwice: Versions<null> = {
  current: 3,
  schema: null,
  upcasters: {
    1: ({ amount, ...rest }) => ({ ...rest, qty: amount }),
    2: (data) => ({ ...data, unit: (data.sku as string).startsWith('LIQUID') ? 'litre' : 'piece' }),
  },
};

describe('data of an older version', () => {
  it('go through one upcaster after another', () => {
    expect(upcast('Sold', { sku: 'LAMP', amount: 2 }, 1, changedTwice)).toEqual({
      sku: 'LAMP',
      qty: 2,
      unit: 'piece',
    });
  });

  it('go through those that come after their version, and no other', () => {
    expect(
      upcast('Sold', { sku: 'LIQUID-SOAP', amount: 'of the second', qty: 2 }, 2, changedTwice),
    ).toEqual({
      sku: 'LIQUID-SOAP',
      amount: 'of the second',
      qty: 2,
      unit: 'litre',
    });
  });

  it('stay as they are where they are of the newest', () => {
    const data = { sku: 'LAMP' };
    expect(upcast('Sold', data, 3, changedTwice)).toBe(data);
  });

  it('that an upcaster trips over do not fit', () => {
    const read = () => upcast('Sold', { sku: 5, amount: 2 }, 1, changedTwice);
    expect(read).toThrow(UnfitDataError);
    expect(read).toThrow('Sold of version 2 cannot be read');
  });

  it.each([null, undefined, 7, 'text'])(
    'that are no object (%s) are left to the schema',
    (data) => {
      expect(upcast('Sold', data, 1, changedTwice)).toBe(data);
    },
  );
});

describe('a dataschema', () => {
  it.each([1, 2, 3])('names a known version: %i', (version) => {
    expect(versionOf('Sold', dataschemaOf('Sold', version), 3)).toBe(version);
  });

  it.each([
    'https://shop.example/schemas/order.json',
    'Sold/3',
    '/allocation',
    '',
    'https://x/allocation/schemas/Sold/1',
  ])('of somebody else (%s) names none', (dataschema) => {
    expect(versionOf('Sold', dataschema, 3)).toBeNull();
  });

  it('of a version to come asks for an update', () => {
    expect(() => versionOf('Sold', '/allocation/schemas/Sold/4', 3)).toThrow(
      new UnfitDataError(
        'Sold has version 4, but this service knows versions up to 3: update the service',
      ),
    );
  });

  it.each([
    'Sold/0',
    'Sold/01',
    'Sold/1.5',
    'Sold/-1',
    'Sold/x',
    'Sold/',
    'Sold',
    '',
    'Sold/1/2',
    'Bought/1',
    `Sold/${'9'.repeat(400)}`,
  ])('that looks like this service’s but is none (%s) is refused', (rest) => {
    expect(() => versionOf('Sold', `/allocation/schemas/${rest}`, 3)).toThrow(
      'is not a schema of Sold; use /allocation/schemas/Sold/3',
    );
  });
});

it.each(
  Object.entries({ ...commandVersions, ...eventVersions, CompositeDomainEvent: compositeVersions }),
)('%s can be brought from each version to the next', (_, { current, upcasters }) => {
  expect(Object.keys(upcasters)).toEqual(
    Array.from({ length: current - 1 }, (_, index) => String(index + 1)),
  );
});
