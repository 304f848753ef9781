import { describe, expect, it } from 'vitest';
import { filter, plan, refuseSeveralSources } from '../../../src/dead-letters/plan.ts';
import { asDeadLetters, type DeadLetter } from '../../../src/dead-letters/read-dead-letter.ts';
import { replacementRecord } from '../../../src/dead-letters/redrive-records.ts';

interface LetterContent {
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

/** An unreadable command has its place as its id. */
const PLACE = {
  'dead-letter-topic': 'commands',
  'dead-letter-partition': '0',
  'dead-letter-offset': '7',
};
const PLACE_ID = 'commands/0/7';

/** @param id the id of the command */
function letter(
  id: string,
  { reason = 'handler-failed', key, value, failedAt, redrives, parked }: LetterContent = {},
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
  const [read] = asDeadLetters([
    {
      ...record,
      key: key === undefined ? null : Buffer.from(key),
      value: content === null ? null : Buffer.from(content),
    },
  ]);
  return read as DeadLetter;
}

const ids = (letters: readonly Pick<DeadLetter, 'commandId'>[]) =>
  letters.map(({ commandId }) => commandId);

describe('filtering dead letters', () => {
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
    ['without a filter keeps all', {}, ['early', 'parked', PLACE_ID]],
    ['by reason keeps those with that reason', { reason: 'malformed' }, [PLACE_ID]],
    ['by type keeps the commands of that type', { type: 'CreateBatch' }, ['early']],
    ['by id keeps the command with that id', { id: 'parked' }, ['parked']],
    [
      'by time keeps those from that time on, itself included',
      { since: '2026-11-25T18:00:00Z' },
      ['parked', PLACE_ID],
    ],
    [
      'by a time in another zone converts the time',
      { since: '2026-11-25T19:00:00.001+01:00' },
      [PLACE_ID],
    ],
    ['by product keeps a command about several products', { sku: 'SOFA' }, ['parked']],
    [
      'by product keeps an unreadable command with that key too',
      { sku: 'LAMP' },
      ['parked', PLACE_ID],
    ],
    [
      'by several criteria keeps those that match all',
      { sku: 'LAMP', reason: 'parked-behind' },
      ['parked'],
    ],
  ])('%s', (_, filters, expected) => {
    expect(ids(filter(all, filters))).toEqual(expected);
  });

  it('by product ignores the key of a command whose products are known', () => {
    expect(filter(all, { sku: 'batch-1' })).toEqual([]);
  });

  it('by an invalid time is refused', () => {
    expect(() => filter(all, { since: 'yesterday' })).toThrow('--since yesterday is not a time');
  });
});

describe('an id that several sources use', () => {
  const letterFrom = (source: string | null): DeadLetter => ({
    ...letter('1'),
    identity: source === null ? '1' : `${source}\t1`,
  });
  const [shop, market, plain] = [letterFrom('/shop'), letterFrom('/market'), letterFrom(null)];

  it('is refused with advice on how to choose one source', () => {
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

  it('selects one dead letter if a source is given too', () => {
    const filters = { id: '1', source: '/market' };
    expect(filter([shop, market, plain], filters)).toEqual([market]);
    expect(() => refuseSeveralSources([market], filters)).not.toThrow();
  });
});

describe('the plan for chosen dead letters', () => {
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

  it('redrives the whole sequence in order, whichever part was chosen', () => {
    for (const chosen of [failed, second, third])
      expect(ids(plan('redrive', [chosen], open, 3).redrive)).toEqual([
        'failed',
        'second',
        'third',
      ]);
  });

  it('redrives what is parked behind a failed command that is discarded', () => {
    const { redrive, discard } = plan('discard', [failed], open, 3);
    expect([ids(redrive), ids(discard)]).toEqual([['second', 'third'], ['failed']]);
  });

  it('refuses a command that failed too often, with those behind it', () => {
    const tired = letter('failed', { redrives: 3, parked: { position: 1 } });
    const { redrive, refused } = plan('redrive', [tired, other], [third, other, second, tired], 3);
    expect(ids(redrive)).toEqual(['other']);
    expect(refused).toEqual([{ letter: tired, why: expect.stringContaining('--max-redrives 4') }]);
  });

  it('redrives a parked command however often it was redriven', () => {
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

  it('refuses a command without a value, unless an edit supplies one', () => {
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

describe('the id of an edited command', () => {
  const json = (qty: number) =>
    JSON.stringify({ type: 'AllocateOrder', orderid: 'o', sku: 'LAMP', qty });

  it('is the same for the same content, and differs for other content', () => {
    const { id } = replacementRecord(letter('failed'), json(1));
    expect(id).toMatch(/^failed\/edited-1-[0-9a-f]{8}$/);
    expect(replacementRecord(letter('failed'), json(1)).id).toBe(id);
    expect(replacementRecord(letter('failed'), json(2)).id).not.toBe(id);
  });

  it('is refused if it is too long to be read', () => {
    expect(() => replacementRecord(letter('x'.repeat(250)), json(1))).toThrow('too long');
  });
});
