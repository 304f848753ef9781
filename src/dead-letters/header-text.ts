import type { Headers } from '../service-layer/records.ts';

/**
 * Returns a header that the service writes, as text; an empty string if the header is absent.
 * A message may bring headers of the same name: the service adds its own last, so the last counts.
 */
export function headerText(headers: Headers, name: string): string {
  const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
  return String((Array.isArray(value) ? value.at(-1) : value) ?? '');
}
