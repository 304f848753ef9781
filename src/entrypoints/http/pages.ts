import type { FastifyReply, FastifyRequest } from 'fastify';

/** Returns the name behind which the page begins. Empty: the first page. */
export function pageAfter({ query }: Pick<FastifyRequest, 'query'>): string {
  const { after = '' } = query as { readonly after?: string };
  return after;
}

/**
 * Tells the client where the next page is (RFC 8288).
 *
 * @param path of the list
 * @param next the name behind which the next page begins; null: there is none
 */
export function linkNext(reply: FastifyReply, path: string, next: string | null): void {
  if (next !== null)
    reply.header('link', `<${path}?after=${encodeURIComponent(next)}>; rel="next"`);
}
