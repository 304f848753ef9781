import { PAGE_OPERATION } from './openapi/service-operations.ts';
import { readPageFiles } from './page-files.ts';
import { isNamed } from './pages.ts';
import type { Route } from './routes.ts';

/** Lets a browser load the files of this service, ask this service, and nothing else. */
export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
  "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/**
 * The routes of the page for operators. They are open, because the page itself holds no data: the
 * page asks the other routes, with the token of its user. Only `GET /` is part of the contract.
 */
export function pageRoutes(): readonly Route[] {
  return [...readPageFiles()].map(([url, file]) => ({
    method: 'GET',
    url,
    access: 'open',
    operation: url === '/' ? PAGE_OPERATION : null,
    handler: (request, reply) => {
      // The next release may have other files at the same paths. So browsers must ask each time.
      reply.headers({
        'cache-control': 'no-cache',
        'content-security-policy': PAGE_POLICY,
        etag: file.etag,
      });
      if (isNamed(request.headers['if-none-match'], file.etag)) return reply.code(304).send();
      return reply.type(file.type).send(file.body);
    },
  }));
}
