import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { asRecordHeaders } from '../../../../src/entrypoints/http/binding.ts';

/** Returns the headers of the record as texts. */
function recordHeaders(headersDistinct: Record<string, readonly string[] | undefined>) {
  const headers = asRecordHeaders({ headersDistinct } as IncomingMessage);
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [
      name,
      Buffer.isBuffer(value) ? value.toString() : value.map(String),
    ]),
  );
}

describe('The headers of a command that comes over HTTP', () => {
  it('become the headers of its record, and all others are left out', () => {
    expect(
      recordHeaders({
        'ce-id': ['cmd-1'],
        'content-type': ['application/json'],
        traceparent: ['00-1'],
        cookie: ['secret'],
        'x-ce-id': ['other'],
      }),
    ).toEqual({ ce_id: 'cmd-1', 'content-type': 'application/json', traceparent: '00-1' });
  });

  it('keep all values of a header that came several times', () => {
    expect(recordHeaders({ 'ce-id': ['one', 'two'], 'ce-type': [], 'ce-a': undefined })).toEqual({
      ce_id: ['one', 'two'],
    });
  });

  it.each([
    ['"quoted"', 'quoted'],
    ['"a \\"b\\" \\\\c"', 'a "b" \\c'],
    ['"half', '"half'],
    ['half"', 'half"'],
    ['a"b"', 'a"b"'],
    ['"a"b', '"a"b'],
    ['100%', '100%'],
    ['%zz', '%zz'],
    ['a%20b%2Fc', 'a b/c'],
    ['%c3%A9', 'é'],
    ['%2525', '%25'],
  ])('with an attribute %s have it as %s', (sent, read) => {
    expect(recordHeaders({ 'ce-subject': [sent] })).toEqual({ ce_subject: read });
  });

  it('that are no attributes stay as they came', () => {
    expect(recordHeaders({ 'content-type': ['"a%20b"'] })).toEqual({ 'content-type': '"a%20b"' });
  });

  it('keep the bytes that the sender has sent', () => {
    const sent = Buffer.from('é').toString('latin1');
    expect(recordHeaders({ 'ce-subject': [sent] })).toEqual({ ce_subject: 'é' });
  });
});
