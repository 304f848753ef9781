import pino from 'pino';
import { describe, expect, it } from 'vitest';
import { Metrics } from '../../../src/entrypoints/metrics/metrics.ts';
import { readRecords } from '../../../src/entrypoints/read-delivery.ts';
import { UnknownFields } from '../../../src/entrypoints/unknown-fields.ts';
import { RepeatedWarnings } from '../../../src/repeated-warnings.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';
import { scrape } from '../../support/metrics.ts';

const recordsOf = (bodies: readonly object[], headers = {}): readonly ReceivedRecord[] =>
  bodies.map((body, offset) => ({
    topic: 'commands',
    partition: 2,
    offset,
    timestampMs: 0,
    key: null,
    value: Buffer.from(JSON.stringify(body)),
    headers,
  }));

const batch = (more: object = {}) => ({
  type: 'CreateBatch',
  reference: 'b',
  sku: 'S',
  quantity: 5,
  ...more,
});

function watch() {
  const log: Record<string, unknown>[] = [];
  const metrics = new Metrics();
  const lines = pino({}, { write: (line: string) => void log.push(JSON.parse(line)) });
  const warnings = new RepeatedWarnings(lines);
  const unknown = new UnknownFields(metrics, warnings);
  const take = async (...bodies: readonly object[]) =>
    unknown.note(await readRecords(recordsOf(bodies), false));
  const counts = () => scrape(metrics, 'allocation_unknown_fields_total');
  return { log, take, counts, close: () => warnings.close() };
}

describe('unknown fields of commands from Kafka', () => {
  it('are counted by the type of the command, each time', async () => {
    const { take, counts } = watch();
    const lines = [{ sku: 'S', qty: 1, note: 1 }];
    await take(batch(), batch({ ETA: 'x', note: 1 }), batch({ ETA: 'x' }));
    await take({ type: 'AllocateOrder', orderid: 'o', lines }, { type: 'Nothing', note: 1 });
    expect(await counts()).toEqual([
      'allocation_unknown_fields_total{type="CreateBatch"} 3',
      'allocation_unknown_fields_total{type="AllocateOrder"} 1',
      'allocation_unknown_fields_total{type="ChangeBatchQuantity"} 0',
      'allocation_unknown_fields_total{type="DeallocateOrder"} 0',
    ]);
  });

  it('are logged once for each type and field, with the place and the field meant', async () => {
    const { take, log } = watch();
    const line = { sku: 'S', qty: 1, QTY: 1 };
    await take(batch(), batch({ ETA: 'x' }), batch({ ETA: 'y' }));
    await take(batch({ ETA: 'z' }), {
      type: 'AllocateOrder',
      orderid: 'o',
      lines: [line, { ...line, sku: 'T' }],
    });
    expect(
      log.map(({ level, type, field, place, msg }) => [level, type, field, place, msg]),
    ).toEqual([
      [
        40,
        'CreateBatch',
        'ETA',
        'commands/2/1',
        'The command at commands/2/1 has a field that is ignored: ' +
          'ETA is not a field of CreateBatch; did you mean eta?',
      ],
      [
        40,
        'AllocateOrder',
        'lines.QTY',
        'commands/2/1',
        expect.stringContaining('lines.QTY is not a field of AllocateOrder; did you mean qty?'),
      ],
    ]);
  });

  it('cannot fill the log: from the 101st on, one line a minute has their number', async () => {
    const { take, log, counts, close } = watch();
    await take(...Array.from({ length: 150 }, (_, n) => batch({ [`x${n}\n`]: 1 })));
    await take(batch({ another: 1 }));
    expect(log).toHaveLength(100);
    close();
    expect(log).toHaveLength(101);
    expect(log[0]?.msg).not.toContain('\n');
    expect(log[100]).toMatchObject({
      type: 'CreateBatch',
      field: 'another',
      place: 'commands/2/0',
      count: 51,
      msg: expect.stringMatching(
        /^51 more fields of commands were ignored in the last 1 s, the last: another of CreateBatch at commands\/2\/0\. The metric allocation_unknown_fields_total counts all of them$/,
      ),
    });
    expect(await counts()).toContain('allocation_unknown_fields_total{type="CreateBatch"} 151');
  });
});

describe('STRICT_COMMANDS', () => {
  const kindsOf = async (isStrict: boolean, headers = {}) =>
    (await readRecords(recordsOf([batch(), batch({ ETA: 'x' })], headers), isStrict)).map(
      ({ incoming }) => (incoming.kind === 'command' ? 'command' : incoming.reason),
    );

  it('refuses commands with unknown fields, and no others', async () => {
    expect(await kindsOf(true)).toEqual(['command', 'invalid-data']);
    expect(await kindsOf(false)).toEqual(['command', 'command']);
  });

  it('refuses no redriven command: an operator decided, and others may wait for it', async () => {
    expect(await kindsOf(true, { 'dead-letter-redrives': '1' })).toEqual(['command', 'command']);
    expect(await kindsOf(true, { 'dead-letter-redrives': 'forged' })).toEqual([
      'command',
      'invalid-data',
    ]);
  });
});
