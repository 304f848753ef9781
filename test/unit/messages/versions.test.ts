import { describe, expect, it } from 'vitest';
import { commandVersions } from '../../../src/messages/command-schemas.ts';
import { compositeVersions, eventVersions } from '../../../src/messages/event-versions.ts';
import {
  dataschemaOf,
  UnfitDataError,
  upcast,
  type Versions,
  versionOf,
} from '../../../src/messages/versions.ts';

/** A type that changed twice: a field was renamed, then a second field was added. */
const twoChanges: Versions<null> = {
  current: 3,
  schema: null,
  upcasters: {
    1: ({ amount, ...rest }) => ({ ...rest, qty: amount }),
    2: (data) => ({ ...data, unit: (data.sku as string).startsWith('LIQUID') ? 'litre' : 'piece' }),
  },
};

describe('data of an older version', () => {
  it('pass through one upcaster after another', () => {
    expect(upcast('Sold', { sku: 'LAMP', amount: 2 }, 1, twoChanges)).toEqual({
      sku: 'LAMP',
      qty: 2,
      unit: 'piece',
    });
  });

  it('skip the upcasters of versions before their own', () => {
    expect(
      upcast('Sold', { sku: 'LIQUID-SOAP', amount: 'of the second', qty: 2 }, 2, twoChanges),
    ).toEqual({
      sku: 'LIQUID-SOAP',
      amount: 'of the second',
      qty: 2,
      unit: 'litre',
    });
  });

  it('stay as they are if they have the newest version', () => {
    const data = { sku: 'LAMP' };
    expect(upcast('Sold', data, 3, twoChanges)).toBe(data);
  });

  it('are unfit if an upcaster fails on them', () => {
    const read = () => upcast('Sold', { sku: 5, amount: 2 }, 1, twoChanges);
    expect(read).toThrow(UnfitDataError);
    expect(read).toThrow('Sold of version 2 cannot be read');
    expect(read).toThrow(
      expect.objectContaining({ code: 'invalid-data', cause: expect.any(TypeError) }),
    );
  });

  it.each([null, undefined, 7, 'text'])(
    'that are not an object (%s) are left to the schema',
    (data) => {
      expect(upcast('Sold', data, 1, twoChanges)).toBe(data);
    },
  );
});

describe('a dataschema', () => {
  it.each([1, 2, 3])('names a known version: %i', (version) => {
    expect(versionOf('Sold', dataschemaOf('Sold', version), 3)).toBe(version);
  });

  it('names a version of several digits', () => {
    expect(versionOf('Sold', dataschemaOf('Sold', 12), 120)).toBe(12);
  });

  it('is cut if it is long, in the refusal', () => {
    const long = `/allocation/schemas/Sold/${'9'.repeat(400)}`;
    expect(() => versionOf('Sold', long, 3)).toThrow(
      `The dataschema "${long.slice(0, 120)}" is not a schema of Sold`,
    );
  });

  it.each([
    'https://shop.example/schemas/order.json',
    'Sold/3',
    '/allocation',
    '',
    'https://x/allocation/schemas/Sold/1',
  ])('of another service (%s) names no version', (dataschema) => {
    expect(versionOf('Sold', dataschema, 3)).toBeNull();
  });

  it('of a future version asks for an update of the service', () => {
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
  ])('with the path of this service but no known schema (%s) is refused', (rest) => {
    expect(() => versionOf('Sold', `/allocation/schemas/${rest}`, 3)).toThrow(
      'is not a schema of Sold; use /allocation/schemas/Sold/3',
    );
  });
});

it.each(
  Object.entries({ ...commandVersions, ...eventVersions, CompositeDomainEvent: compositeVersions }),
)('%s has an upcaster from each version, and the contract of it', (_, versions) => {
  const { current, upcasters, former = {} } = versions;
  const older = Array.from({ length: current - 1 }, (_, index) => String(index + 1));
  expect(Object.keys(upcasters)).toEqual(older);
  expect(Object.keys(former)).toEqual(older);
});
