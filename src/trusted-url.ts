/**
 * Tells whether nobody on the way can read what goes to the URL, or change what comes from it.
 * Refuses a URL with a user, a password or a query, because error messages show the URL.
 */
export function isTrustedUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username + url.password + url.search + url.hash !== '') return false;
  const isLoopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  return url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback);
}
