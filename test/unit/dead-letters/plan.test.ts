import { describe, expect, it } from 'vitest';
import { asDeadLetters, type DeadLetter } from '../../../src/dead-letters/dead-letter.ts';
import { filter, plan, refuseSeveralSources } from '../../../src/dead-letters/plan.ts';
import { replacementRecord } from '../../../src/dead-letters/redrive-records.ts';

interface Made {
  readonly reason?: string;
  readonly key?: string;
  readonly value?: string | null;
  readonly failedAt?: string;
  readonly redrives?: number;
  readonly parked?: {
    readonly skus?: readonly string[];
    readonly behind?: readonly string[];
    readonly position: number;
  };
}

/** What was never read has no id but its place. */
const PLACE = {
  'dead-letter-topic': 'commands',
  'dead-letter-partition': '0',
  'dead-letter-offset': '7',
};
const NEVER_READ = 'commands/0/7';

/** @param id the command's */
function letter(
  id: string,
  { reason = 'handler-failed', key, value, failedAt, redrives, parked }: Made = {},
): DeadLetter {
  const headers = {
    'dead-letter-reason': reason,
    ...(reason === 'malformed' ? PLACE : { 'dead-letter-command-id': id }),
    'dead-letter-failed-at': failedAt ?? '2026-11-25T18:00:00.000Z',
    ...(redrives && { 'dead-letter-redrives': String(redrives) }),
    ...(parked && {
      'dead-letter-position': String(parked.position),
      'dead-letter-skus': JSON.stringify(parked.skus ?? []),
      'dead-letter-behind': JSON.stringify(parked.behind ?? []),
    }),
  };
  const content = value === undefined ? '{"type":"AllocateOrder"}' : value;
  const record = { topic: 'dead', partition: 0, offset: 0, timestampMs: 0, headers };
  const [made] = asDeadLetters([
    {
      ...record,
      key: key === undefined ? null : Buffer.from(key),
      value: content === null ? null : Buffer.from(content),
    },
  ]);
  return made as DeadLetter;
}

const ids = (letters: readonly Pick<DeadLetter, 'commandId'>[]) =>
  letters.map(({ commandId }) => commandId);

describe('the letters that the filters match', () => {
  const early = letter('early', {
    failedAt: '2026-11-25T17:59:59.999Z',
    value: '{"type":"CreateBatch"}',
  });
  const parked = letter('parked', {
    reason: 'parked-behind',
    key: 'batch-1',
    parked: { position: 2, skus: ['LAMP', 'SOFA'], behind: ['early'] },
  });
  const unreadable = letter('unreadable', {
    reason: 'malformed',
    key: 'LAMP',
    value: 'not json',
    failedAt: '2026-11-25T18:00:00.001Z',
  });
  const all = [early, parked, unreadable];

  it.each([
    ['no filter', {}, ['early', 'parked', NEVER_READ]],
    ['the reason', { reason: 'malformed' }, [NEVER_READ]],
    ['the type', { type: 'CreateBatch' }, ['early']],
    ['the command id', { id: 'parked' }, ['parked']],
    ['a time, itself included', { since: '2026-11-25T18:00:00Z' }, ['parked', NEVER_READ]],
    ['a time in another zone', { since: '2026-11-25T19:00:00.001+01:00' }, [NEVER_READ]],
    ['one product of several', { sku: 'SOFA' }, ['parked']],
    ['a product, also as the key of what cannot be read', { sku: 'LAMP' }, ['parked', NEVER_READ]],
    ['several at once', { sku: 'LAMP', reason: 'parked-behind' }, ['parked']],
  ])('%s', (_, filters, expected) => {
    expect(ids(filter(all, filters))).toEqual(expected);
  });

  it('the key says nothing of a command whose products are known', () => {
    expect(filter(all, { sku: 'batch-1' })).toEqual([]);
  });

  it('a time that is none is refused', () => {
    expect(() => filter(all, { since: 'yesterday' })).toThrow('--since yesterday is not a time');
  });
});

describe('a choice by an id that several sources use', () => {
  const of = (source: string | null): DeadLetter => ({
    ...letter('1'),
    identity: source === null ? '1' : `${source}\t1`,
  });
  const [shop, market, plain] = [of('/shop'), of('/market'), of(null)];

  it('is refused, and says how to choose', () => {
    const refusal =
      (...letters: DeadLetter[]) =>
      () =>
        refuseSeveralSources(filter(letters, { id: '1' }), { id: '1' });
    expect(refusal(shop, market)).toThrow(
      'Letters from 2 sources have the id 1: add --source <source> (/shop, /market)',
    );
    expect(refusal(shop, plain)).toThrow('the place of a letter without a source (dead/0/0)');
    expect(refusal(shop, shop)).not.toThrow();
  });

  it('is one with a source', () => {
    const filters = { id: '1', source: '/market' };
    expect(filter([shop, market, plain], filters)).toEqual([market]);
    expect(() => refuseSeveralSources([market], filters)).not.toThrow();
  });
});

describe('what is done with the letters chosen', () => {
  const failed = letter('failed', { parked: { position: 1 } });
  const second = letter('second', {
    reason: 'parked-behind',
    parked: { position: 2, behind: ['failed'] },
  });
  const third = letter('third', {
    reason: 'parked-behind',
    parked: { position: 3, behind: ['failed'] },
  });
  const other = letter('other', { parked: { position: 4 } });
  const open = [third, other, second, failed];

  it('a redrive takes the whole line, in order, whichever of it was chosen', () => {
    for (const chosen of [failed, second, third])
      expect(ids(plan('redrive', [chosen], open, 3).redrive)).toEqual([
        'failed',
        'second',
        'third',
      ]);
  });

  it('a failed command that is discarded sets free what is behind it', () => {
    const { redrive, discard } = plan('discard', [failed], open, 3);
    expect([ids(redrive), ids(discard)]).toEqual([['second', 'third'], ['failed']]);
  });

  it('what failed too often is refused with all behind it, and the rest is sent', () => {
    const tired = letter('failed', { redrives: 3, parked: { position: 1 } });
    const { redrive, refused } = plan('redrive', [tired, other], [third, other, second, tired], 3);
    expect(ids(redrive)).toEqual(['other']);
    expect(refused).toEqual([{ letter: tired, why: expect.stringContaining('--max-redrives 4') }]);
  });

  it('what waits behind another one is sent, however often that has failed', () => {
    const behind = letter('behind', {
      reason: 'parked-behind',
      redrives: 3,
      parked: { position: 2 },
    });
    expect(plan('redrive', [behind], [behind], 3)).toMatchObject({
      redrive: [behind],
      refused: [],
    });
  });

  it('what has no value is refused, unless a correction brings one', () => {
    const empty = letter('empty', { value: null });
    expect(plan('redrive', [empty], [empty], 3)).toMatchObject({
      redrive: [],
      refused: [{ letter: empty }],
    });
    expect(plan('redrive', [empty], [empty], 3, empty)).toMatchObject({
      redrive: [empty],
      refused: [],
    });
  });
});

describe('the id of a correction', () => {
  const json = (qty: number) =>
    JSON.stringify({ type: 'AllocateOrder', orderid: 'o', sku: 'LAMP', qty });

  it('is the same for the same words, and another for others', () => {
    const { id } = replacementRecord(letter('failed'), json(1));
    expect(id).toMatch(/^failed\/edited-1-[0-9a-f]{8}$/);
    expect(replacementRecord(letter('failed'), json(1)).id).toBe(id);
    expect(replacementRecord(letter('failed'), json(2)).id).not.toBe(id);
  });

  it('is refused when nobody could read it', () => {
    expect(() => replacementRecord(letter('x'.repeat(250)), json(1))).toThrow('too long');
  });
});
