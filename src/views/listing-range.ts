/** What a listing shows, and where its page begins. */
export interface ListingChoice {
  /** How the names begin. Absent: all names. */
  readonly search?: string | undefined;
  /** The name behind which the page begins, one that begins with `search`. Absent: page one. */
  readonly after?: string | undefined;
  /** How many names the page has at most. */
  readonly limit: number;
  readonly isDescending: boolean;
}

/** One end of a range of names, as SQL: an operator and its operand. */
type Bound = readonly [operator: '<' | '<=' | '>' | '>=', name: string];

/** The names of a page, in the order of the listing. */
export interface ListingRange {
  /** Where the page begins. Null: with the first name. */
  readonly start: Bound | null;
  /** Where the listing ends. Null: with the last name. */
  readonly end: Bound | null;
  /** Compares a name with one that comes before it in the listing. */
  readonly beyond: '<' | '>';
  readonly direction: 'asc' | 'desc';
}

/** Makes a name sort behind all names with its prefix: a name has at most 255 characters. */
const BEHIND_A_PREFIX = '\u{10ffff}'.repeat(256);

/** Turns a choice into the range of names that an index serves. Names sort by code points. */
export function listingRangeOf({ search, after, isDescending }: ListingChoice): ListingRange {
  const first: Bound | null = search === undefined ? null : ['>=', search];
  const last: Bound | null = search === undefined ? null : ['<', search + BEHIND_A_PREFIX];
  return isDescending
    ? { start: after ? ['<', after] : last, end: first, beyond: '<', direction: 'desc' }
    : { start: after ? ['>', after] : first, end: last, beyond: '>', direction: 'asc' };
}

/** Writes bounds as the conditions of a statement. */
export function conditionsOf(
  column: string,
  bounds: readonly (Bound | null)[],
): { readonly conditions: string; readonly parameters: readonly string[] } {
  const given = bounds.filter((bound) => bound !== null);
  const conditions = given.map(([operator]) => `${column} ${operator} ?`).join(' and ');
  return { conditions: conditions || 'true', parameters: given.map(([, name]) => name) };
}
