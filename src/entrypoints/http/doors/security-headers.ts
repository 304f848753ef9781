import type { ServerResponse } from 'node:http';

/**
 * Headers of every answer. No browser guesses a type, keeps an answer, shows one in a frame, or
 * hands one to a page of another site. `base-uri` is set because `default-src` does not cover it.
 */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** Makes browsers use only HTTPS for this host and its subdomains, for a year. */
export const ONLY_HTTPS = { 'strict-transport-security': 'max-age=31536000; includeSubDomains' };

/** Sets the headers on the response itself, so that an event stream has them too. */
export function setHeaders(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
): void {
  for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
}
