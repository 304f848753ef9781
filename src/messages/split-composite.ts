/**
 * The largest composite, in bytes. By default Kafka refuses record batches over 1 MiB. A larger
 * composite goes out as several composites, in one transaction.
 */
export const MAX_COMPOSITE_BYTES = 900_000;
/** An upper bound for what a record batch adds to one record's key, value and headers, in bytes. */
const RECORD_OVERHEAD_BYTES = 512;

/**
 * Divides the events of a composite that is too large for one message, in their order. An event
 * that is larger than a message has a part to itself.
 *
 * @param texts the events as JSON
 * @param maxBytes the room in a message besides its key and its headers, in bytes
 */
export function splitComposite(
  texts: readonly string[],
  maxBytes: number,
): readonly (readonly string[])[] {
  const maxPartBytes = Math.min(MAX_COMPOSITE_BYTES, maxBytes - RECORD_OVERHEAD_BYTES);
  const parts: string[][] = [];
  let room = 0;
  for (const text of texts) {
    const size = Buffer.byteLength(text) + 1;
    if (size > room || parts.length === 0) {
      parts.push([]);
      room = maxPartBytes;
    }
    parts.at(-1)?.push(text);
    room -= size;
  }
  return parts;
}
