import type { FastifyRequest } from 'fastify';

/** The longest wait for an answer. Many proxies give up a request that is silent for a minute. */
export const MAX_WAIT_SECONDS = 30;

const SECONDS = /^(\d+)s?$/;

/** How long a client wants to wait for the answer to its command. */
export interface WaitPreference {
  /** At most `MAX_WAIT_SECONDS`. Null: the client does not want to wait. */
  readonly seconds: number | null;
  /** The header that says how long the service waits (RFC 7240, section 3). */
  readonly applied: { readonly 'preference-applied'?: string };
}

/**
 * Reads `?wait=5s`, or else the header `Prefer: wait=5` (RFC 7240). An invalid header counts as
 * absent, as RFC 7240 wants it.
 */
export function readWait({
  query,
  headers,
}: Pick<FastifyRequest, 'query' | 'headers'>): WaitPreference {
  const { wait } = query as { readonly wait?: string };
  const seconds =
    wait === undefined ? preferredSeconds(String(headers.prefer ?? '')) : secondsIn(wait);
  return { seconds, applied: seconds === null ? {} : { 'preference-applied': `wait=${seconds}` } };
}

/** Tells whether the request has `?wait`. */
export function hasWait({ query }: Pick<FastifyRequest, 'query'>): boolean {
  return (query as { readonly wait?: string }).wait !== undefined;
}

/** Returns the seconds of the first valid `wait` among the preferences; null: there is none. */
function preferredSeconds(prefer: string): number | null {
  for (const preference of prefer.split(',')) {
    const [name = '', value = ''] = (preference.split(';')[0] ?? '').split('=');
    const seconds = secondsIn(value.trim().replace(/^"(.*)"$/, '$1'));
    if (name.trim().toLowerCase() === 'wait' && seconds !== null) return seconds;
  }
  return null;
}

function secondsIn(text: string): number | null {
  const [, digits] = SECONDS.exec(text) ?? [];
  return digits === undefined ? null : Math.min(Number(digits), MAX_WAIT_SECONDS);
}
