/** A line without its end; null: longer than the limit, its bytes were let go. */
export interface Line {
  readonly number: number;
  readonly bytes: Buffer | null;
}

const LF = 0x0a;

/**
 * Cuts a stream into lines, handing over together what arrived together. Holds one line at most, and never more than
 * `maxLineBytes` of it, whatever comes. The bytes are left as they are: what is not UTF-8 must still be seen as such.
 */
export async function* readLines(
  stream: AsyncIterable<Buffer>,
  maxLineBytes: number,
): AsyncGenerator<readonly Line[]> {
  let number = 0;
  let parts: Buffer[] = [];
  let size = 0;
  const add = (bytes: Buffer) => {
    size += bytes.length;
    if (size > maxLineBytes) parts = [];
    else parts.push(bytes);
  };
  const take = (): Line => {
    const line = { number: ++number, bytes: size > maxLineBytes ? null : Buffer.concat(parts) };
    parts = [];
    size = 0;
    return line;
  };
  for await (const chunk of stream) {
    const lines: Line[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LF); end !== -1; end = chunk.indexOf(LF, start)) {
      add(chunk.subarray(start, end));
      lines.push(take());
      start = end + 1;
    }
    add(chunk.subarray(start));
    if (lines.length > 0) yield lines;
  }
  if (size > 0) yield [take()];
}
