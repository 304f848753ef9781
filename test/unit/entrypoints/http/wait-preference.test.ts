import { expect, it } from 'vitest';
import { hasWait, readWait } from '../../../../src/entrypoints/http/wait-preference.ts';

it.each([
  ['wait=5', 5],
  ['respond-async, wait=5', 5],
  ['wait=5;foo=bar', 5],
  ['Wait = "10"', 10],
  ['wait=0', 0],
  ['wait=600', 30],
  ['wait=99999999999999999999', 30],
  ['wait=soon', null],
  ['wait=-1', null],
  ['return=minimal', null],
  ['return=5', null],
  ['wait', null],
  ['wait=5""', null],
  ['wait="5"s', null],
  ['wait=soon, wait=5', 5],
  ['', null],
])('Prefer: %s means a wait of %s seconds', (prefer, seconds) => {
  expect(readWait({ query: {}, headers: { prefer } })).toEqual({
    seconds,
    applied: seconds === null ? {} : { 'preference-applied': `wait=${seconds}` },
  });
});

it.each([
  ['5s', 5],
  ['5', 5],
  ['600s', 30],
  ['99999999999999999999s', 30],
])('?wait=%s means %s seconds, whatever Prefer says', (wait, seconds) => {
  expect(readWait({ query: { wait }, headers: { prefer: 'wait=1' } })).toEqual({
    seconds,
    applied: { 'preference-applied': `wait=${seconds}` },
  });
});

it('a request without a preference does not wait', () => {
  expect(readWait({ query: {}, headers: {} })).toEqual({ seconds: null, applied: {} });
});

it('only ?wait counts as a wait in the query', () => {
  expect(hasWait({ query: { wait: '' } })).toBe(true);
  expect(hasWait({ query: {} })).toBe(false);
});
