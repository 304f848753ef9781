import { describe, expect, it } from 'vitest';
import type { Event } from '../../../../src/domain/events.ts';
import { tallyAnswers } from '../../../../src/entrypoints/answer-tally.ts';
import { Metrics } from '../../../../src/entrypoints/metrics/metrics.ts';
import { readRecords } from '../../../../src/entrypoints/read-delivery.ts';
import { scrape } from '../../../support/metrics.ts';
import { batch, order } from '../../../support/plain-commands.ts';

const line = { orderid: 'o', sku: 'LAMP', qty: 1, version: 1 };
const allocated: Event = { type: 'Allocated', batchref: 'b', ...line };
const outOfStock: Event = { type: 'OutOfStock', ...line };
const rejected: Event = {
  type: 'CommandRejected',
  command: 'AllocateOrder',
  reason: 'unknown-sku',
  detail: 'any',
};

async function read(...bodies: readonly object[]) {
  const records = bodies.map((body, offset) => ({
    topic: 'commands',
    partition: 0,
    offset,
    timestampMs: 0,
    key: null,
    value: Buffer.from(JSON.stringify(body)),
    headers: {},
  }));
  return readRecords(records, false);
}

/** Scrapes the series that are not 0. */
async function counts(metrics: Metrics, name: string): Promise<readonly string[]> {
  return (await scrape(metrics, name)).filter((line) => !line.endsWith(' 0'));
}

describe('The commands of a transaction', () => {
  const count = async (...events: readonly Event[]) => {
    const metrics = new Metrics();
    const [record] = await read(order('o', 'LAMP'));
    if (!record) throw new Error('no record');
    metrics.commands.countAnswers(tallyAnswers([record], [{ ...record, events, parked: null }]));
    return metrics;
  };

  it.each([
    ['accepted', [allocated]],
    ['accepted', []],
    ['out-of-stock', [allocated, outOfStock]],
    ['rejected', [outOfStock, rejected, allocated]],
  ] as const)('count once, as %s, by the events that follow', async (outcome, events) => {
    expect(await counts(await count(...events), 'allocation_commands_total')).toEqual([
      `allocation_commands_total{type="AllocateOrder",outcome="${outcome}"} 1`,
    ]);
  });

  it('count each event and each rejection', async () => {
    const metrics = await count(outOfStock, rejected, rejected);
    expect(await counts(metrics, 'allocation_events_total')).toEqual([
      'allocation_events_total{type="OutOfStock"} 1',
      'allocation_events_total{type="CommandRejected"} 2',
    ]);
    expect(await counts(metrics, 'allocation_rejections_total')).toEqual([
      'allocation_rejections_total{reason="unknown-sku"} 2',
    ]);
  });

  it('count as repeated when they have no answer', async () => {
    const metrics = new Metrics();
    const records = await read(batch('b', 'LAMP'), batch('b', 'LAMP'), order('o', 'LAMP'));
    const [first] = records;
    const answers = first ? [{ ...first, events: [allocated], parked: null }] : [];
    metrics.commands.countAnswers(tallyAnswers(records, answers));
    expect(await counts(metrics, 'allocation_commands_total')).toEqual([
      'allocation_commands_total{type="CreateBatch",outcome="accepted"} 1',
      'allocation_commands_total{type="CreateBatch",outcome="repeated"} 1',
      'allocation_commands_total{type="AllocateOrder",outcome="repeated"} 1',
    ]);
  });

  it('count as dead letters, or as parked behind another one', async () => {
    const metrics = new Metrics();
    const records = await read({ type: 'Foreign' }, batch('b', 'LAMP'), order('o', 'LAMP'));
    const parked = { id: 'i', subjects: [], position: 1, isRedriven: false };
    const causes = [null, { ...parked, behind: [] }, { ...parked, behind: ['i'] }];
    const answers = records.map((each, index) => {
      return { ...each, events: null, parked: causes[index] ?? null };
    });
    metrics.commands.countAnswers(tallyAnswers(records, answers));
    expect(await counts(metrics, 'allocation_commands_total')).toEqual([
      'allocation_commands_total{type="CreateBatch",outcome="dead-letter"} 1',
      'allocation_commands_total{type="AllocateOrder",outcome="parked"} 1',
      'allocation_commands_total{type="unreadable",outcome="dead-letter"} 1',
    ]);
  });
});

it('a dead letter is counted by its reason, whatever type its sender gave it', async () => {
  const metrics = new Metrics();
  metrics.commands.countDeadLetters([
    { headers: { ce_type: 'of a stranger', 'dead-letter-reason': 'unknown-type' } },
    { headers: { ce_type: Buffer.from('of another'), 'dead-letter-reason': 'unknown-type' } },
  ]);
  expect(await counts(metrics, 'allocation_dead_letters_total')).toEqual([
    'allocation_dead_letters_total{reason="unknown-type"} 2',
  ]);
});
