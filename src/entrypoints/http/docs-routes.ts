import type { OpenApiDocument } from './openapi/described-api.ts';
import { DOCS_POLICY, docsPage } from './openapi/docs-page.ts';
import { DOCS_OPERATION, DOCUMENT_OPERATION } from './openapi/service-operations.ts';
import type { Route } from './routes.ts';

/**
 * The routes that describe the API. They are open, because they hold no data.
 *
 * @param documentOf returns the document; the routes ask once, when the first client does
 */
export function docsRoutes(documentOf: () => OpenApiDocument): readonly Route[] {
  let [document, page]: [string | null, string | null] = [null, null];
  return [
    {
      method: 'GET',
      url: '/openapi.json',
      access: 'open',
      operation: DOCUMENT_OPERATION,
      handler: (_request, reply) => {
        document ??= JSON.stringify(documentOf());
        return reply.type('application/json; charset=utf-8').send(document);
      },
    },
    {
      method: 'GET',
      url: '/docs',
      access: 'open',
      operation: DOCS_OPERATION,
      handler: (_request, reply) => {
        page ??= docsPage(documentOf());
        return reply
          .type('text/html; charset=utf-8')
          .header('content-security-policy', DOCS_POLICY)
          .send(page);
      },
    },
  ];
}
