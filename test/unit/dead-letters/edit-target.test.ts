import { describe, expect, it } from 'vitest';
import { chooseEditTarget, refuseUnclearEdit } from '../../../src/dead-letters/edit-target.ts';
import { markerRecord } from '../../../src/dead-letters/markers.ts';
import type { Selection } from '../../../src/dead-letters/plan.ts';
import { asDeadLetters, type DeadLetter } from '../../../src/dead-letters/read-dead-letter.ts';
import { replacementRecord } from '../../../src/dead-letters/redrive-records.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';

const TOPIC = 'dead';
const CORRECTED = '{"type":"DeallocateOrder","orderid":"o"}';

const nobody: Selection = { ids: [], all: false };

/** A dead letters topic of one partition. */
class Topic {
  readonly #records: ReceivedRecord[] = [];

  add({ headers, value }: Pick<LogRecord, 'headers' | 'value'>): string {
    const place = { topic: TOPIC, partition: 0, offset: this.#records.length, timestampMs: 0 };
    const bytes = value === null ? null : Buffer.from(value);
    this.#records.push({ ...place, key: null, headers, value: bytes });
    return `${TOPIC}/0/${place.offset}`;
  }

  /** Adds a letter of a CloudEvent. @returns its place */
  letter(id: string, source = '/shop'): string {
    return this.add({
      value: '{"orderid":"o"}',
      headers: {
        ce_specversion: '1.0',
        ce_id: id,
        ce_source: source,
        ce_type: 'DeallocateOrder',
        'dead-letter-reason': 'invalid-data',
      },
    });
  }

  resolve(place: string, resolution: 'redriven' | 'discarded', by: string | null = null): void {
    const marker = markerRecord({ id: place, key: null }, resolution, 'me', new Date(0), by);
    this.add({ headers: marker.headers, value: null });
  }

  get letters(): readonly DeadLetter[] {
    return asDeadLetters(this.#records);
  }

  /** Redrives the letter with the edit. */
  redrive(place: string, json: string): void {
    const letter = this.letters.find(({ id }) => id === place) as DeadLetter;
    this.resolve(place, 'redriven', replacementRecord(letter, json).id);
  }

  choose(selection: Partial<Selection>, json = CORRECTED) {
    const broker: Pick<Broker, 'read' | 'offsetRanges'> = {
      offsetRanges: async () => [{ partition: 0, beginning: 0, end: this.#records.length }],
      read: (_topic, _ranges, take) =>
        take({ partition: 0, records: this.#records, nextOffset: this.#records.length }),
    };
    const source = { broker, config: { deadLettersTopic: TOPIC } };
    return chooseEditTarget(source, this.letters, { ...nobody, ...selection }, json);
  }
}

describe('The selection of an edit', () => {
  it.each<Partial<Selection>>([
    { ids: ['dead/2/4'] },
    { id: 'cmd-1' },
    { id: 'cmd-1', source: '/shop' },
  ])('is one id: %j', (selection) => {
    expect(() => refuseUnclearEdit({ ...nobody, ...selection })).not.toThrow();
  });

  it.each<Partial<Selection>>([
    {},
    { ids: ['dead/2/4', 'dead/2/6'] },
    { ids: ['dead/2/4', 'dead/2/4'] },
    { all: true },
    { sku: 'LAMP' },
    { source: '/shop' },
    { id: 'cmd-1', sku: 'LAMP' },
  ])('is refused if it may be another command: %j', (selection) => {
    expect(() => refuseUnclearEdit({ ...nobody, ...selection })).toThrow('exactly one id');
  });
});

describe('The edited letter', () => {
  it('is the letter at the place, and its edit has an id of its own', async () => {
    const topic = new Topic();
    const place = topic.letter('cmd-1');
    const { choice, edit } = await topic.choose({ ids: [place] });
    expect(choice[0].id).toBe(place);
    expect(edit?.replacement.id).toMatch(/^cmd-1\/edited-1-/);
  });

  it('is the one on the list among the letters of the command', async () => {
    const topic = new Topic();
    topic.resolve(topic.letter('cmd-1'), 'redriven');
    const second = topic.letter('cmd-1');
    topic.letter('cmd-2');
    const { choice, edit } = await topic.choose({ id: 'cmd-1' });
    expect(choice[0].id).toBe(second);
    expect(edit).not.toBeNull();
  });

  it.each(['ids', 'id'])('changes nothing when the same edit is repeated by %s', async (name) => {
    const topic = new Topic();
    const place = topic.letter('cmd-1');
    topic.letter('cmd-2');
    topic.redrive(place, CORRECTED);
    const { choice, edit } = await topic.choose(
      name === 'ids' ? { ids: [place] } : { id: 'cmd-1' },
    );
    expect(choice[0].id).toBe(place);
    expect(edit).toBeNull();
  });

  it('is refused with what happened to it if another edit was sent', async () => {
    const topic = new Topic();
    const place = topic.letter('cmd-1');
    topic.redrive(place, '{"type":"DeallocateOrder","orderid":"another"}');
    await expect(topic.choose({ ids: [place] })).rejects.toThrow(
      /^dead\/0\/0 was redriven as cmd-1\/edited-1-\w+ before, so the edited command was not sent/,
    );
  });

  it('is refused if it was discarded', async () => {
    const topic = new Topic();
    const place = topic.letter('cmd-1');
    topic.resolve(place, 'discarded');
    await expect(topic.choose({ ids: [place] })).rejects.toThrow('was discarded before');
  });

  it('is refused if another source used the id, even off the list', async () => {
    const topic = new Topic();
    topic.redrive(topic.letter('cmd-1', '/shop'), CORRECTED);
    topic.letter('cmd-1', '/other');
    await expect(topic.choose({ id: 'cmd-1' })).rejects.toMatchObject({ code: 'wrong-selection' });
    expect((await topic.choose({ id: 'cmd-1', source: '/shop' })).edit).toBeNull();
  });

  it('is refused if its edit has a field that the service would ignore', async () => {
    const topic = new Topic();
    const place = topic.letter('cmd-1');
    const edit = '{"type":"DeallocateOrder","orderid":"o","SKU":"LAMP"}';
    await expect(topic.choose({ ids: [place] }, edit)).rejects.toThrow(
      'nothing was sent: DeallocateOrder: SKU is not a field of DeallocateOrder; did you mean sku?',
    );
  });

  it('is refused if the id is unknown', async () => {
    await expect(new Topic().choose({ id: 'cmd-1' })).rejects.toThrow('No dead letter has this id');
    await expect(new Topic().choose({ ids: ['dead/0/9'] })).rejects.toThrow('dead/0/9');
  });
});

describe('The command that replaces an edited one', () => {
  const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const attributes = { specversion: '1.0', id: 'cmd-1', source: '/shop', type: 'DeallocateOrder' };
  const structured = { 'content-type': 'application/cloudevents+json' };

  it.each([
    ['a header', { traceparent }, '{"type":"DeallocateOrder"}'],
    ['a CloudEvent', structured, JSON.stringify({ ...attributes, traceparent, data: {} })],
  ])('keeps the trace that %s states', (_, headers, value) => {
    const topic = new Topic();
    topic.add({ headers: { ...headers, 'dead-letter-reason': 'invalid-data' }, value });
    const [letter] = topic.letters;
    const { headers: replaced } = replacementRecord(letter as DeadLetter, CORRECTED);
    expect(replaced.traceparent?.toString()).toBe(traceparent);
  });
});
