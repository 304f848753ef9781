import { describe, expect, it } from 'vitest';
import {
  gapFields,
  idField,
  ServerSentEvent,
} from '../../../../src/entrypoints/http/server-sent-event.ts';

const event = (value: unknown, headers: Record<string, string> = { ce_type: 'Allocated' }) =>
  new ServerSentEvent({
    topic: 'events',
    partition: 0,
    offset: 7,
    timestampMs: 0,
    key: null,
    value: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
    headers,
  });

describe('The text of an event', () => {
  it('has its type and its data', () => {
    expect(event({ sku: 'LAMP' }).text).toBe(
      'event: Allocated\n' +
        'data: {"type":"Allocated","datacontenttype":"application/json","data":{"sku":"LAMP"}}\n\n',
    );
  });

  it('has no type if a foreign record has none', () => {
    expect(event({}, {}).text).toMatch(/^data: /);
  });

  it('ends no field early, whatever a foreign record has as its type', () => {
    expect(event({}, { ce_type: 'a\r\nid: 9\n\0b' }).text).toMatch(
      /^event: a {2}id: 9 {2}b\ndata: /,
    );
  });

  it('has its data as text if the data is nested too deeply for JSON', () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const [, data = ''] = /^data: (.*)$/m.exec(event(deep).text) ?? [];
    expect(JSON.parse(data)).toMatchObject({ type: 'Allocated', data: deep });
  });
});

describe('An event', () => {
  it('is about the product that its data names', () => {
    expect(event({ sku: 'LAMP' }).isAbout('LAMP')).toBe(true);
    expect(event({ sku: 'SOFA' }).isAbout('LAMP')).toBe(false);
  });

  it('is about the products of the events inside', () => {
    const composite = event({ events: [null, {}, { data: { sku: 'LAMP' } }] });
    expect(composite.isAbout('LAMP')).toBe(true);
    expect(composite.isAbout('SOFA')).toBe(false);
  });

  it.each(['null', '7', '{"events":7}', '{"events":null}', 'not JSON'])(
    'with the data %s is about no product',
    (data) => {
      expect(event(data).isAbout('LAMP')).toBe(false);
    },
  );
});

it('the field of an id is left out if the id would be too long', () => {
  expect(idField([5, 7])).toBe('id: 0/5,1/7\n');
  expect(idField(Array(2_000).fill(1))).toBe('');
});

it('a gap tells a program why events are left out, and where the stream begins', () => {
  expect(gapFields('deleted', [10, 0])).toBe(
    'event: gap\ndata: {"reason":"deleted","beginning":"0/10,1/0"}\n',
  );
  expect(gapFields(null, [10, 0])).toBe('');
});
