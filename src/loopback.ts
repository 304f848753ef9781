import { isIPv4 } from 'node:net';

/**
 * Tells whether only this machine reaches the host.
 * @param host a name or an address, in lower case
 */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}
