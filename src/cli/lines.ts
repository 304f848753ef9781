/** A line of a stream, without its line feed. */
export interface Line {
  /** The first line is 1. */
  readonly number: number;
  /** Null: the line is longer than the limit. */
  readonly bytes: Buffer | null;
}

const LF = 0x0a;

/**
 * Cuts a stream into lines. Yields the lines of one chunk together, as soon as the chunk arrives.
 *
 * Memory is bounded: at most one unfinished line of `maxLineBytes`. The bytes stay as they are, so
 * that the reader can still refuse what is not UTF-8.
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
