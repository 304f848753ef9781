/** How many letters of a name may be wrong. Two edits would turn a short name into another word. */
const MAX_EDITS = { ofShortName: 1, ofLongName: 2 } as const;
/** The shortest long name, in letters without underscores. */
const LONG_NAME_LENGTH = 10;

/**
 * Finds the name that was meant. Only letters and digits count, in either case.
 *
 * @returns null: no name is near enough
 */
export function nearestName(name: string, names: readonly string[]): string | null {
  const letters = lettersOf(name);
  let nearest: { readonly known: string; readonly edits: number } | null = null;
  for (const known of names) {
    const wanted = lettersOf(known);
    const isLong = wanted.length >= LONG_NAME_LENGTH;
    const maxEdits = isLong ? MAX_EDITS.ofLongName : MAX_EDITS.ofShortName;
    if (Math.abs(wanted.length - letters.length) > maxEdits) continue;
    const edits = editsBetween(letters, wanted);
    if (edits <= maxEdits && edits < (nearest?.edits ?? Number.POSITIVE_INFINITY))
      nearest = { known, edits };
  }
  return nearest?.known ?? null;
}

/** Says which name was meant, or else which names there are: `did you mean eta?` */
export function nameHint(name: string, names: readonly string[]): string {
  const nearest = nearestName(name, names);
  return nearest === null ? `use one of: ${names.join(', ')}` : `did you mean ${nearest}?`;
}

function lettersOf(name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]/g, '');
}

/**
 * Counts the letters to insert, delete, replace or swap with their neighbour until the texts are
 * equal (optimal string alignment).
 */
function editsBetween(one: string, other: string): number {
  let before: number[] = [];
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = at(row, j - 1) + (one[i - 1] === other[j - 1] ? 0 : 1);
      const isSwap = one[i - 1] === other[j - 2] && one[i - 2] === other[j - 1];
      const swapped = isSwap ? at(before, j - 2) + 1 : Number.POSITIVE_INFINITY;
      next[j] = Math.min(at(row, j) + 1, at(next, j - 1) + 1, replaced, swapped);
    }
    [before, row] = [row, next];
  }
  return at(row, other.length);
}

function at(numbers: readonly number[], index: number): number {
  return numbers[index] ?? Number.POSITIVE_INFINITY;
}
