import type { PlannedLetter } from './read-dead-letter.ts';

/** The limits of one chunk, for memory. A larger letter has a chunk of its own. */
const MAX_RECORDS = 500;
const MAX_BYTES = 512 * 1024;

/** Cuts the letters into chunks whose messages are read, or published, together. */
export function letterChunksOf(
  letters: readonly PlannedLetter[],
): readonly (readonly PlannedLetter[])[] {
  const chunks: PlannedLetter[][] = [];
  let bytes = 0;
  for (const letter of letters) {
    const size = letter.valueBytes ?? 0;
    const last = chunks.at(-1);
    if (last && last.length < MAX_RECORDS && bytes + size <= MAX_BYTES) {
      last.push(letter);
      bytes += size;
    } else {
      chunks.push([letter]);
      bytes = size;
    }
  }
  return chunks;
}
