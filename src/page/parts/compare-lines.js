// @ts-check

/** The time and memory of a comparison grow with the square of this number. */
const MAX_LINES = 1_000;

/** @typedef {{ sign: '+' | '−' | ' ', line: string }} Difference */

/**
 * Finds the longest common lines of two texts.
 *
 * @param {string[]} before
 * @param {string[]} after
 * @returns {Difference[] | null} null: a text is too long
 */
export function compareLines(before, after) {
  if (before.length > MAX_LINES || after.length > MAX_LINES) return null;
  const width = after.length + 1;
  const lengths = new Uint16Array((before.length + 1) * width);
  const at = (/** @type {number} */ row, /** @type {number} */ column) =>
    lengths[row * width + column] ?? 0;
  for (let row = before.length - 1; row >= 0; row -= 1)
    for (let column = after.length - 1; column >= 0; column -= 1)
      lengths[row * width + column] =
        before[row] === after[column]
          ? at(row + 1, column + 1) + 1
          : Math.max(at(row + 1, column), at(row, column + 1));
  /** @type {Difference[]} */
  const found = [];
  let [row, column] = [0, 0];
  while (row < before.length || column < after.length) {
    const [old, young] = [before[row], after[column]];
    if (old !== undefined && old === young) {
      found.push({ sign: ' ', line: old });
      row += 1;
      column += 1;
    } else if (
      old !== undefined &&
      (young === undefined || at(row + 1, column) >= at(row, column + 1))
    ) {
      found.push({ sign: '−', line: old });
      row += 1;
    } else {
      found.push({ sign: '+', line: young ?? '' });
      column += 1;
    }
  }
  return found;
}
