/** Returns the same items in a random order. */
export function shuffle<T>(of: readonly T[]): T[] {
  return of
    .map((each) => ({ each, place: Math.random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ each }) => each);
}
