/** Returns one pattern that is the parts one after the other, with the flags of the first part. */
export function joinPatterns(first: RegExp, ...others: readonly RegExp[]): RegExp {
  return new RegExp([first, ...others].map(({ source }) => source).join(''), first.flags);
}
