import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  formerIdentity,
  identityOf,
  idOf,
  isFormer,
  isPlace,
  isRedrivenPlace,
  parkedIdentity,
  REDRIVE_SOURCE,
  redrivenIdentity,
  sourceOf,
  withoutDigest,
} from '../../../src/domain/identity.ts';
import { NAME } from '../../../src/messages/cloud-events.ts';

const PLACE = 'commands/0/7';
const name = fc
  .oneof(
    fc.string({ minLength: 1, maxLength: 255, unit: 'binary' }),
    fc.constantFrom('1', PLACE, '/shop', REDRIVE_SOURCE, '/', ' '),
  )
  .filter((text) => NAME.test(text));
const sourceAndId = fc.record({ source: fc.option(name), id: name });

describe("a command's identity", () => {
  it('differs exactly if the source or the id differs', () => {
    fc.assert(
      fc.property(sourceAndId, sourceAndId, (one, other) => {
        const isSame = one.source === other.source && one.id === other.id;
        expect(identityOf(one, PLACE) === identityOf(other, PLACE)).toBe(isSame);
      }),
    );
  });

  it('gives its id and its source back', () => {
    fc.assert(
      fc.property(sourceAndId, ({ source, id }) => {
        const identity = identityOf({ source, id }, PLACE);
        expect([idOf(identity), sourceOf(identity), isPlace(identity), isFormer(identity)]).toEqual(
          [id, source, false, false],
        );
      }),
    );
  });

  it('cannot be made by a sender if it is a place or of a former release', () => {
    const [place, former] = [identityOf({ source: null, id: null }, PLACE), formerIdentity(PLACE)];
    fc.assert(
      fc.property(sourceAndId, (any) => {
        expect([place, former]).not.toContain(identityOf(any, PLACE));
      }),
    );
    expect([idOf(place), sourceOf(place), isPlace(place), isFormer(place)]).toEqual([
      PLACE,
      null,
      true,
      false,
    ]);
    expect([idOf(former), sourceOf(former), isPlace(former), isFormer(former)]).toEqual([
      PLACE,
      null,
      false,
      true,
    ]);
  });

  it('is its parked identity, except that a redriven place is parked as the place', () => {
    const place = identityOf({ source: null, id: null }, PLACE);
    expect(parkedIdentity(identityOf({ source: REDRIVE_SOURCE, id: PLACE }, 'elsewhere'))).toBe(
      place,
    );
    const others = sourceAndId.filter(({ source }) => source !== REDRIVE_SOURCE);
    fc.assert(
      fc.property(others, (any) => {
        expect(parkedIdentity(identityOf(any, PLACE))).toBe(identityOf(any, PLACE));
      }),
    );
    expect(parkedIdentity(redrivenIdentity(PLACE, '00'))).toBe(place);
    expect(parkedIdentity(place)).toBe(place);
  });
});

describe('A redriven command without an id', () => {
  it.each([
    [REDRIVE_SOURCE, PLACE, true],
    [REDRIVE_SOURCE, 'my.commands/12/345', true],
    [REDRIVE_SOURCE, null, false],
    [REDRIVE_SOURCE, 'cmd-1', false],
    [REDRIVE_SOURCE, 'a/commands/0/7', false],
    [REDRIVE_SOURCE, 'commands/0/7/1', false],
    [REDRIVE_SOURCE, 'commands/0/x', false],
    ['/shop', PLACE, false],
    [null, PLACE, false],
  ])('has the source %s and the id %s: %s', (source, id, isRedriven) => {
    expect(isRedrivenPlace({ source, id })).toBe(isRedriven);
  });

  it('had an identity without a digest before', () => {
    expect(withoutDigest(redrivenIdentity(PLACE, '00'))).toBe(`${REDRIVE_SOURCE}\t${PLACE}`);
  });
});
