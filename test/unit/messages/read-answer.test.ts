import { describe, expect, it } from 'vitest';
import { readAnswer } from '../../../src/messages/read-answer.ts';
import {
  allocated,
  already,
  composite,
  data,
  headers,
  inside,
  publish,
  record,
  time,
} from '../../support/answer-records.ts';

describe('a published answer', () => {
  const answer = {
    kind: 'answer',
    source: { topic: 'shop.commands', partition: 1, offset: 9 },
    identity: 'cmd',
    time,
    events: [{ id: 'shop.commands/1/9', type: 'Allocated', sequence: 3, data }],
  };

  it.each([
    ['a CloudEvent', { ce_causationform: undefined, ce_causationsource: '/shop' }, '/shop\tcmd'],
    ['a command without an id', { ce_causationform: 'place' }, '\tcmd'],
    ['a command of a former release', { ce_causationform: undefined }, '\t\tcmd'],
  ])('has the identity of %s', (_, causation, identity) => {
    expect(readAnswer(record(data, causation))).toEqual({ ...answer, identity });
  });

  it('with one event is read back', () => {
    expect(publish([allocated]).map(readAnswer)).toEqual([answer]);
  });

  it('is read with headers as bytes too', () => {
    const asBytes = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]),
    );
    expect(readAnswer(record(data, asBytes))).toEqual(answer);
  });

  it('without a dataschema is read as the first version', () => {
    expect(readAnswer(record(data, { ce_dataschema: undefined }))).toEqual(answer);
    expect(readAnswer(composite([inside]))).toEqual({
      ...answer,
      events: [{ ...answer.events[0], id: inside.id }],
    });
  });

  it('with several events is read in their order', () => {
    expect(publish([already, allocated]).map(readAnswer)).toMatchObject([
      {
        events: [
          { id: 'shop.commands/1/9/1', type: 'AlreadyAllocated', sequence: null },
          { id: 'shop.commands/1/9/2', type: 'Allocated', sequence: 3 },
        ],
      },
    ]);
  });

  it('that was split names its command in each part', () => {
    expect(publish([allocated, already], 1).map(readAnswer)).toMatchObject([
      { source: answer.source, events: [{ id: 'shop.commands/1/9/1' }] },
      { source: answer.source, events: [{ id: 'shop.commands/1/9/2' }] },
    ]);
  });

  it('is read without fields that its schema does not have', () => {
    expect(readAnswer(record({ ...data, extra: 1 }))).toEqual(answer);
  });

  it('that is a rejection keeps the ids that it is about', () => {
    const rejection = {
      command: 'ChangeBatchQuantity',
      reason: 'unknown-batch',
      detail: '',
      reference: 'b',
    };
    const read = readAnswer(
      record(rejection, {
        ce_type: 'CommandRejected',
        ce_dataschema: undefined,
        ce_sequence: undefined,
      }),
    );
    expect(read).toMatchObject({ events: [{ sequence: null }] });
    expect(read.kind === 'answer' && read.events[0]?.data).toStrictEqual(rejection);
  });
});
