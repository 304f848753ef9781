import type { Headers } from '../service-layer/records.ts';

/** Bytes as text: as they are if they are UTF-8, otherwise in Base64. */
interface EncodedText {
  readonly text: string;
  readonly encoding: 'utf-8' | 'base64';
}

/** Returns UTF-8 as it is. Other bytes become Base64. */
export function encodedText(bytes: Buffer): EncodedText {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, encoding: 'utf-8' };
  } catch {
    return { text: bytes.toString('base64'), encoding: 'base64' };
  }
}

/** Shows bytes to people: as text, or in hexadecimal digits if they are no text. */
export function shownText(bytes: Buffer | string | null): string | null {
  if (bytes === null || typeof bytes === 'string') return bytes;
  const { text, encoding } = encodedText(bytes);
  return encoding === 'utf-8' ? text : `0x${bytes.toString('hex')}`;
}

/** Lists headers as text. A header that came several times is there several times. */
export function shownHeaders(headers: Headers): readonly (readonly [string, string])[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const values = Array.isArray(value) ? value : [value];
    return values.flatMap((each) => (each === undefined ? [] : [[name, shownText(each) ?? '']]));
  }) as [string, string][];
}
