import type { FastifyRequest } from 'fastify';

/** Names who acts over HTTP, for the audit. Where nobody needs a token, nobody has a name. */
export function operatorName({ caller }: FastifyRequest): string {
  return caller ?? 'anonymous';
}
