import type { IncomingMessage } from 'node:http';

/**
 * Turns the HTTP headers of a command into the headers of its record: `ce-id` becomes `ce_id`, and
 * its encoding is undone. A header that came several times keeps all its values.
 *
 * Source: CloudEvents HTTP Protocol Binding 1.0.2, section 3.1.3.
 */
export function asRecordHeaders({
  headersDistinct,
}: IncomingMessage): Record<string, Buffer | readonly Buffer[]> {
  const record: Record<string, Buffer | readonly Buffer[]> = {};
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    const isAttribute = name.startsWith('ce-');
    if (!isAttribute && name !== 'content-type' && name !== 'traceparent') continue;
    const [first, ...more] = values.map(isAttribute ? decode : bytesOf);
    if (first)
      record[isAttribute ? `ce_${name.slice(3)}` : name] =
        more.length > 0 ? [first, ...more] : first;
  }
  return record;
}

/**
 * Removes double quotes, which older senders write, then undoes one round of percent-encoding. A
 * percent sign that encodes nothing stays.
 */
function decode(value: string): Buffer {
  const [, quoted] = /^"(.*)"$/.exec(value) ?? [];
  const text = quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1');
  return bytesOf(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
  );
}

/** Returns the bytes of a header as sent: Node reads each byte as one character. */
function bytesOf(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}
