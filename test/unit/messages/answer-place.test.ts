import { expect, it } from 'vitest';
import { readAnswerPlace } from '../../../src/messages/answer-place.ts';

const headers = { ce_id: 'shop.commands/1/9', ce_source: '/allocation' };
const PLACE = { topic: 'shop.commands', partition: 1, offset: 9 };

it.each([
  ['an event', {}],
  ['a part of a composite', { ce_id: 'shop.commands/1/9.2' }],
  ['headers as bytes', { ce_id: Buffer.from(headers.ce_id) }],
])('the place of the command is read from %s', (_, more) => {
  expect(readAnswerPlace({ value: null, headers: { ...headers, ...more } })).toEqual(PLACE);
});

it.each([
  ['without an id', { ce_id: undefined }],
  ['without a source', { ce_source: undefined }],
  ['of another source', { ce_source: '/shop' }],
  ['whose id is no place', { ce_id: 'cmd-1' }],
  ['whose id cannot be read', { ce_id: Buffer.from([0xff]) }],
  ['whose source comes twice', { ce_source: ['/allocation', '/allocation'] }],
])('a record %s is no answer', (_, more) => {
  expect(readAnswerPlace({ value: null, headers: { ...headers, ...more } })).toBeNull();
});
