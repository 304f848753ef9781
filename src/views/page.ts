/** How many lines, batches or names one page has at most. */
export const MAX_PAGE_ITEMS = 1_000;

/** One page of a list. */
export interface Page<Item> {
  readonly items: Item[];
  /** The cursor behind which the next page begins. Null: this page is the last one. */
  readonly next: string | null;
}

/**
 * Cuts a page.
 *
 * @param items one more than the page may have, if the list goes on
 * @param cursorOf makes the cursor behind an item
 */
export function pageOf<Item>(
  items: readonly Item[],
  cursorOf: (item: Item) => string,
  maxItems = MAX_PAGE_ITEMS,
): Page<Item> {
  const page = items.slice(0, maxItems);
  const last = page.at(-1);
  return { items: page, next: items.length > page.length && last ? cursorOf(last) : null };
}
