import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

/** A host with an optional port, and nothing else of a URL. */
const AUTHORITY = /^[^\s/?#@\\]+$/;

/**
 * Keeps the pages of other sites out. A browser sends requests for any page, also to services that
 * only its own machine or network reaches.
 *
 * DNS rebinding needs a name: the attacker's name first leads to the attacker, then to the service.
 * So `Host` must be a name of the service, or an address. Nobody can rebind an address, and
 * Kubernetes sends its probes to the address of a pod.
 */
export class Visitors {
  readonly #publicHosts: ReadonlySet<string>;
  readonly #publicOrigins: ReadonlySet<string>;

  /** @param publicUrls under which clients reach the API */
  constructor(publicUrls: readonly URL[]) {
    this.#publicHosts = new Set(publicUrls.map(({ hostname }) => hostname));
    this.#publicOrigins = new Set(publicUrls.map(({ origin }) => origin));
  }

  /** Tells whether the host is this service. HTTP/1.0 has no `Host`, and no browser speaks it. */
  knowsHost(host: string | undefined): boolean {
    if (host === undefined) return true;
    const hostname = urlOf('http:', host)?.hostname.replace(/\.$/, '');
    if (hostname === undefined) return false;
    return (
      hostname === 'localhost' ||
      hostname.endsWith('.localhost') ||
      isIP(hostname.replace(/^\[|\]$/g, '')) !== 0 ||
      this.#publicHosts.has(hostname)
    );
  }

  /**
   * Tells whether a page of another site caused a request that it must not cause. It may link to a
   * `GET` of this service. Only browsers send these headers.
   */
  isFromForeignPage(method: string, headers: IncomingHttpHeaders): boolean {
    const { origin, host = '' } = headers;
    if (origin !== undefined) return !this.#isOwnOrigin(origin, host);
    const site = headers['sec-fetch-site'] ?? 'none';
    if (site === 'none' || site === 'same-origin') return false;
    return method !== 'GET' || headers['sec-fetch-dest'] !== 'document';
  }

  #isOwnOrigin(origin: string, host: string): boolean {
    if (this.#publicOrigins.has(origin)) return true;
    const url = URL.parse(origin);
    return url !== null && url.host !== '' && url.host === urlOf(url.protocol, host)?.host;
  }
}

function urlOf(protocol: string, authority: string): URL | null {
  return AUTHORITY.test(authority) ? URL.parse(`${protocol}//${authority}`) : null;
}
