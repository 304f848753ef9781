import { describe, expect, it } from 'vitest';
import { DeliveryLog } from '../../../src/entrypoints/delivery-log.ts';
import { readRecords } from '../../../src/entrypoints/read-delivery.ts';
import { RepeatedWarnings } from '../../../src/repeated-warnings.ts';
import { batch, order } from '../../support/plain-commands.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';

function watch() {
  const lines: (Record<string, unknown> & { readonly msg: string })[] = [];
  const warnings = new RepeatedWarnings({
    warn: (fields: object, msg: string) => void lines.push({ ...fields, msg }),
  } as never);
  return { lines, warnings, log: new DeliveryLog(warnings) };
}

const read = (...bodies: readonly object[]) =>
  readRecords(
    bodies.map((body, offset) => ({
      topic: 'commands',
      partition: 3,
      offset,
      timestampMs: 0,
      key: null,
      value: Buffer.from(JSON.stringify(body)),
      headers: { traceparent: `00-${TRACE}-b7ad6b7169203331-01` },
    })),
    false,
  );

const letter = (reason: string, sourceOffset: number) => ({
  topic: 'dead-letters',
  key: null,
  value: null,
  sequence: 1,
  sourceOffset,
  headers: { 'dead-letter-reason': reason, 'dead-letter-message': `It is ${reason}` },
});

describe('Dead letters in the log', () => {
  it('have the ids to search by', async () => {
    const { lines, log } = watch();
    const records = await read(order('order-1', 'LAMP'), batch('batch-1', 'LAMP'), {});
    log.noteDeadLetters([letter('handler-failed', 0), letter('malformed', 2)], records);
    expect(lines).toEqual([
      {
        lane: 'commands/3',
        offset: 0,
        reason: 'handler-failed',
        commandId: 'order-1',
        type: 'AllocateOrder',
        orderid: 'order-1',
        reference: undefined,
        sku: 'LAMP',
        traceId: TRACE,
        msg: 'Dead letter: It is handler-failed',
      },
      {
        lane: 'commands/3',
        offset: 2,
        reason: 'malformed',
        traceId: TRACE,
        msg: 'Dead letter: It is malformed',
      },
    ]);
  });

  it('name at most five products', async () => {
    const { lines, log } = watch();
    const orderLines = ['a', 'b', 'c', 'd', 'e', 'f'].map((sku) => ({ sku, qty: 1 }));
    const records = await read({ type: 'AllocateOrder', orderid: 'o', lines: orderLines });
    log.noteDeadLetters([letter('handler-failed', 0)], records);
    expect(lines).toMatchObject([{ sku: 'a, b, c, d, e' }]);
  });

  it('have one line for each reason, and then a number', async () => {
    const { lines, log, warnings } = watch();
    const records = await read(...Array.from({ length: 500 }, (_, n) => order(`o${n}`, 'LAMP')));
    log.noteDeadLetters(
      records.map(({ record }) => letter('handler-failed', record.offset)),
      records,
    );
    log.noteDeadLetters([letter('malformed', 1), letter('handler-failed', 2)], records);
    warnings.close();
    expect(lines.map(({ msg }) => msg)).toEqual([
      'Dead letter: It is handler-failed',
      'Dead letter: It is malformed',
      '500 more messages became dead letters in the last 1 s, the last: commands/3/2 ' +
        '(handler-failed). List them: npx allocation dead-letters list',
    ]);
    expect(lines[2]).toMatchObject({ count: 500, orderid: 'o2', lane: 'commands/3' });
  });
});

it('a delivery that fails again and again with one error has one line, and a number', async () => {
  const { lines, log, warnings } = watch();
  const [first] = await read(order('o', 'LAMP'));
  if (!first) throw new Error('no record');
  const error = new Error('The handler is broken');
  log.noteFailure(error, 'isolate', 1, first.record);
  for (const attempt of [1, 2, 3]) log.noteFailure(error, 'retry', attempt, first.record);
  warnings.close();
  expect(lines).toMatchObject([
    {
      err: error,
      lane: 'commands/3',
      place: 'commands/3/0',
      msg: 'Partition 3: a delivery failed (isolate): The handler is broken',
    },
    { msg: 'Partition 3: a delivery failed (retry): The handler is broken' },
    {
      count: 2,
      msg:
        '2 more deliveries failed in the last 1 s, the last: commands/3/0 (retry): ' +
        'The handler is broken',
    },
  ]);
});
