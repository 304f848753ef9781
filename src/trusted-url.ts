import { isLoopback } from './loopback.ts';

/**
 * Tells whether nobody on the way can read what goes to the URL, or change what comes from it.
 * Refuses a URL with a user, a password or a query, because error messages show the URL.
 */
export function isTrustedUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username + url.password + url.search + url.hash !== '') return false;
  // A URL has brackets around an IPv6 address.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(host));
}
