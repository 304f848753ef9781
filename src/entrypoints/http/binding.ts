import type { IncomingMessage } from 'node:http';

/**
 * The headers of a command's record: `ce-id` becomes `ce_id`, its encoding undone; one that came several times keeps all its values.
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
    const [first, ...more] = values.map(isAttribute ? decoded : asSent);
    if (first)
      record[isAttribute ? `ce_${name.slice(3)}` : name] =
        more.length > 0 ? [first, ...more] : first;
  }
  return record;
}

/** Double quotes, as older senders write, then one round of percent-decoding. What was not encoded at all stays as it is. */
function decoded(value: string): Buffer {
  const [, quoted] = /^"(.*)"$/.exec(value) ?? [];
  const text = quoted === undefined ? value : quoted.replace(/\\(.)/g, '$1');
  return asSent(
    text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
  );
}

/** Node reads each byte of a header as a character. */
function asSent(value: string): Buffer {
  return Buffer.from(value, 'latin1');
}
