import { isUtf8 } from 'node:buffer';
import type { Headers, LogRecord } from '../../service-layer/unit-of-work.ts';

/** A record as the outbox and the embedded log keep it: text as text, so that people can read it; other bytes as base64. */
export interface StoredRecord {
  readonly key: string | null;
  readonly value: string | null;
  /** JSON: `[[name, value, encoding], …]`; a repeated header has several entries. */
  readonly headers: string;
  /** Of key and value. */
  readonly encoding: Encoding;
}

type Encoding = 'utf8' | 'base64';
type Bytes = Buffer | string;

export function encodeRecord({ key, value, headers }: LogRecord): StoredRecord {
  const encoding = isText(key) && isText(value) ? 'utf8' : 'base64';
  return { key: encode(key, encoding), value: encode(value, encoding), headers: encodeHeaders(headers), encoding };
}

export function decodeRecord({ key, value, headers, encoding }: StoredRecord) {
  return {
    key: key === null ? null : Buffer.from(key, encoding),
    value: value === null ? null : Buffer.from(value, encoding),
    headers: decodeHeaders(headers),
  };
}

function encodeHeaders(headers: Headers): string {
  const entries: [string, string | null, Encoding][] = [];
  for (const [name, values] of Object.entries(headers)) {
    for (const value of Array.isArray(values) ? (values as readonly Bytes[]) : [values as Bytes | undefined]) {
      if (value === undefined) continue;
      const encoding = isText(value) ? 'utf8' : 'base64';
      entries.push([name, encode(value, encoding), encoding]);
    }
  }
  return JSON.stringify(entries);
}

function decodeHeaders(json: string): Record<string, Buffer | readonly Buffer[]> {
  const headers = new Map<string, Buffer | Buffer[]>();
  for (const [name, text, encoding] of JSON.parse(json) as [string, string, Encoding][]) {
    const value = Buffer.from(text, encoding);
    const earlier = headers.get(name);
    if (earlier === undefined) headers.set(name, value);
    else headers.set(name, Buffer.isBuffer(earlier) ? [earlier, value] : [...earlier, value]);
  }
  return Object.fromEntries(headers);
}

/** PostgreSQL's text takes no NUL. A string of ours is well formed by then: nothing else passes the door. */
function isText(bytes: Bytes | null): boolean {
  if (bytes === null) return true;
  return typeof bytes === 'string' ? !bytes.includes('\0') : isUtf8(bytes) && !bytes.includes(0);
}

function encode(bytes: Bytes | null, encoding: Encoding): string | null {
  if (bytes === null) return null;
  return typeof bytes === 'string' && encoding === 'utf8' ? bytes : Buffer.from(bytes as Buffer).toString(encoding);
}
