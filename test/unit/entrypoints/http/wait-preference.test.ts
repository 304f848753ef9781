import { expect, it } from 'vitest';
import { readWait } from '../../../../src/entrypoints/http/wait-preference.ts';

it.each([
  ['wait=5', 5],
  ['respond-async, wait=5', 5],
  ['wait=5;foo=bar', 5],
  ['Wait = "10"', 10],
  ['wait=0', 0],
  ['wait=600', 30],
  ['wait=soon', null],
  ['wait=-1', null],
  ['return=minimal', null],
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
])('?wait=%s means %s seconds, whatever Prefer says', (wait, seconds) => {
  expect(readWait({ query: { wait }, headers: { prefer: 'wait=1' } })).toEqual({
    seconds,
    applied: { 'preference-applied': `wait=${seconds}` },
  });
});
