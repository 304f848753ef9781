import { describe, expect, it } from 'vitest';
import { allocate, binary, order, read } from '../../support/order-message.ts';

describe('the version of a command', () => {
  const structured = {
    specversion: '1.0',
    id: 'cmd-1',
    source: '/shop',
    type: 'AllocateOrder',
    data: order,
  };
  const inEachForm = (dataschema: unknown) => [
    read({ type: 'AllocateOrder', dataschema, ...order }),
    read(order, { ...binary, ce_dataschema: dataschema as string }),
    read({ ...structured, dataschema }, { 'content-type': 'application/cloudevents+json' }),
  ];

  it.each([
    '/allocation/schemas/AllocateOrder/1',
    Buffer.from('/allocation/schemas/AllocateOrder/1'),
    'https://shop.example/order',
    '',
    7,
  ])('is the first with the dataschema "%s"', (dataschema) => {
    expect(inEachForm(dataschema)).toMatchObject(
      Array(3).fill({ kind: 'command', command: allocate }),
    );
  });

  it('is the first with a dataschema header that cannot be read', () => {
    expect(read(order, { ...binary, ce_dataschema: Buffer.from([0xff]) })).toMatchObject({
      command: allocate,
    });
    expect(
      read(order, { ...binary, ce_dataschema: ['/allocation/schemas/AllocateOrder/2', 'a'] }),
    ).toMatchObject({ command: allocate });
  });

  it.each([
    [
      '/allocation/schemas/AllocateOrder/2',
      'AllocateOrder has version 2, but this service knows versions up to 1: update the service',
    ],
    [
      '/allocation/schemas/CreateBatch/1',
      'is not a schema of AllocateOrder; use /allocation/schemas/AllocateOrder/1',
    ],
  ])('is invalid data with the dataschema %s', (dataschema, message) => {
    const invalid = {
      kind: 'unreadable',
      reason: 'invalid-data',
      message: expect.stringContaining(message),
      fields: [{ field: 'dataschema' }],
    };
    expect(inEachForm(dataschema)).toMatchObject(Array(3).fill(invalid));
  });
});
