import { hash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** One page of an answer. */
export interface AnsweredPage {
  readonly view: object;
  /** The cursor behind which the next page begins. Null: this page is the last. */
  readonly next: string | null;
}

/**
 * Answers with a page, its entity tag, and the link to the next page (RFC 8288). Answers 304 if the
 * client has the same page already (RFC 9110, section 13.1.2).
 *
 * @param path of the list
 */
export function answerPage(
  request: FastifyRequest,
  reply: FastifyReply,
  path: string,
  { view, next }: AnsweredPage,
): FastifyReply {
  if (next !== null) reply.header('link', `<${path}?${queryBehind(request, next)}>; rel="next"`);
  const body = JSON.stringify(view);
  const tag = `"${hash('sha256', `${next ?? ''}\n${body}`, 'base64url')}"`;
  reply.header('etag', tag);
  if (isNamed(request.headers['if-none-match'], tag)) return reply.code(304).send();
  return reply.type('application/json; charset=utf-8').send(body);
}

/** Repeats the query of a request, with another cursor. */
function queryBehind({ url }: FastifyRequest, next: string): string {
  const query = new URLSearchParams(/\?(.*)$/s.exec(url)?.[1]);
  query.set('after', next);
  return [...query].map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
}

/** Tells whether the header names the tag, or any tag. A weak tag counts like a strong one. */
export function isNamed(header: string | undefined, tag: string): boolean {
  const tags = (header ?? '').split(',').map((each) => each.trim().replace(/^W\//, ''));
  return tags.includes(tag) || tags.includes('*');
}
