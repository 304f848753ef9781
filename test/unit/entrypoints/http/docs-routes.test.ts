import { hash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenApiDocument } from '../../../../src/entrypoints/http/openapi/described-api.ts';
import { docsPage } from '../../../../src/entrypoints/http/openapi/docs-page.ts';
import { startApi } from '../../../support/doors.ts';
import type { HttpApiAlone } from '../../../support/http-api-alone.ts';

describe('GET /openapi.json and GET /docs', () => {
  let running: HttpApiAlone;

  beforeAll(async () => {
    running = await startApi({ METRICS_PORT: '0' });
  });
  afterAll(async () => running[Symbol.asyncDispose]());

  it('describe the routes on this port, and no others', async () => {
    const answer = await fetch(`${running.url}/openapi.json`);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'application/json; charset=utf-8',
    ]);
    const { openapi, paths } = (await answer.json()) as OpenApiDocument & { openapi: string };
    expect(openapi).toBe('3.1.0');
    expect(Object.keys(paths)).toContain('/products/{sku}');
    expect(Object.keys(paths)).not.toContain('/metrics');
  });

  it('show each route on a page that loads nothing and runs nothing', async () => {
    const { paths } = (await (
      await fetch(`${running.url}/openapi.json`)
    ).json()) as OpenApiDocument;
    const answer = await fetch(`${running.url}/docs`);
    const page = await answer.text();
    for (const path of Object.keys(paths)) expect(page).toContain(` ${path}</code>`);
    expect(page).not.toMatch(/<(script|link|img|iframe|form)\b|\son\w+=|\sstyle=/i);
    expect(page.match(/(?:src|href)="(?!#|openapi\.json")[^"]*"/g)).toBeNull();
    const [, style = ''] = /<style>(.*?)<\/style>/s.exec(page) ?? [];
    expect(answer.headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash('sha256', style, 'base64')}'; ` +
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
  });

  it('write text as text', () => {
    const page = docsPage({
      info: { title: '<script>', version: '"1"', description: '`<b>`' },
      paths: {},
      components: { responses: {} },
    });
    expect(page).not.toMatch(/<script>|<b>/);
    expect(page).toContain('<code>&#60;b&#62;</code>');
  });
});
