import { describe, expect, it } from 'vitest';
import { refusedCommand } from '../../../../src/entrypoints/http/refused-command.ts';
import { type UnreadableMessage, unreadable } from '../../../../src/messages/unreadable.ts';

const FAULT = unreadable('invalid-data', 'CreateBatch: sku is required', [
  { field: 'sku', message: 'is required' },
]);
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const EVENT = { specversion: '1.0', id: 'cmd-1', source: '/shop', type: 'T', data: {} };

const refuse = (
  body: unknown,
  headers: Record<string, string> = {},
  fault: UnreadableMessage = FAULT,
) =>
  refusedCommand(
    { value: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), headers },
    fault,
  );

describe('The problem of a message that is no command', () => {
  it('says what is wrong, with the id of the message', () => {
    expect(refuse({ type: 'CreateBatch', id: 'mine' })).toMatchObject({
      status: 400,
      detail: FAULT.message,
      members: { id: 'mine', reason: 'invalid-data', errors: FAULT.fields },
    });
  });

  it('has no id if the message has none', () => {
    expect(refuse({ type: 'CreateBatch' }).members).not.toHaveProperty('id');
  });

  it('has no id if the message cannot be read', () => {
    expect(refuse('{', {}, unreadable('malformed', 'not JSON'))).toEqual({
      status: 400,
      title: 'Bad Request',
      detail: 'not JSON',
      members: { reason: 'malformed', errors: [] },
    });
  });

  it.each<[string, unknown, Record<string, string>, string]>([
    ['several commands', [EVENT], {}, 'several commands need the content-type application/'],
    ['a CloudEvent as plain JSON', EVENT, {}, 'a CloudEvent needs the content-type application/'],
    ['plain JSON as a CloudEvent', { id: 'a' }, STRUCTURED, 'plain JSON needs the content-type'],
    [
      'plain JSON as a CloudEvent in UTF-8',
      { id: 'a' },
      { 'content-type': 'application/cloudevents+json; charset=utf-8' },
      'plain JSON needs the content-type',
    ],
    ['a number as a CloudEvent', 7, STRUCTURED, 'plain JSON needs the content-type'],
    ['null as a CloudEvent', null, STRUCTURED, 'plain JSON needs the content-type'],
  ])('names the content type that was meant: %s', (_, body, headers, hint) => {
    expect(refuse(body, headers).detail).toContain(`${FAULT.message}; ${hint}`);
  });

  it.each<[string, unknown, Record<string, string>]>([
    ['plain JSON', { id: 'a' }, {}],
    ['plain JSON with its type', { id: 'a' }, { 'content-type': 'application/json' }],
    ['a CloudEvent with its type', EVENT, STRUCTURED],
    ['null', null, {}],
    ['a CloudEvent in binary mode', EVENT, { ce_specversion: '1.0' }],
    ['what cannot be read', '{', STRUCTURED],
  ])('names no content type for %s', (_, body, headers) => {
    expect(refuse(body, headers).detail).toBe(FAULT.message);
  });
});
