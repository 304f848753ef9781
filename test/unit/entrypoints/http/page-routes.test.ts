import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readPageFiles } from '../../../../src/entrypoints/http/page-files.ts';
import { startApi, TokenFile } from '../../../support/doors.ts';
import type { HttpApiAlone } from '../../../support/http-api-alone.ts';

describe('GET / and the files of the page', () => {
  let tokens: TokenFile;
  let running: HttpApiAlone;

  beforeAll(async () => {
    tokens = await TokenFile.with('read');
    running = await startApi({ HTTP_TOKENS_FILE: tokens.path });
  });
  afterAll(async () => {
    await running[Symbol.asyncDispose]();
    await tokens[Symbol.asyncDispose]();
  });

  it('need no token, and let a browser load only files of the service', async () => {
    const answer = await fetch(running.url);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/html; charset=utf-8',
    ]);
    expect(answer.headers.get('content-security-policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " +
        "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    );
    expect(await answer.text()).not.toMatch(
      /<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|https?:/,
    );
  });

  it.each([
    ['/page/main.js', 'text/javascript; charset=utf-8'],
    ['/page/lib/preact.js', 'text/javascript; charset=utf-8'],
    ['/page/lib/uplot.js', 'text/javascript; charset=utf-8'],
    ['/page/lib/uplot.css', 'text/css; charset=utf-8'],
    ['/page/icon.svg', 'image/svg+xml'],
  ])('%s has the type %s, and is answered with 304 when it is known', async (path, type) => {
    const answer = await fetch(running.url + path);
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, type]);
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const headers = { 'if-none-match': answer.headers.get('etag') ?? '' };
    const again = await fetch(running.url + path, { headers });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });

  it.each([
    '/page/',
    '/page/tsconfig.json',
    '/page/preact.d.ts',
    '/page/../main.ts',
    '/page/%2e%2e/main.ts',
    '/page/..%2fmain.ts',
    '/page/sections/../../main.ts',
    '/page//main.js',
  ])('no file is at %s', async (path) => {
    expect((await fetch(running.url + path)).status).toBe(404);
  });

  it('import and link only files that the service has', () => {
    const files = readPageFiles();
    const missing = [...files].flatMap(([path, { body, type }]) => {
      if (path.startsWith('/page/lib/') || type.startsWith('image/')) return [];
      const links = body.toString().matchAll(/(?:from |import |src=|href=)["']([./][^"'#]*)["']/g);
      return [...links]
        .map(([, link = '']) => new URL(link, `http://page${path}`).pathname)
        .filter((link) => !files.has(link) && link !== '/docs')
        .map((link) => `${path} needs ${link}`);
    });
    expect(missing).toEqual([]);
  });

  it('take text for text only', () => {
    const sources = [...readPageFiles()].filter(([path]) => !path.startsWith('/page/lib/'));
    const risky = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function/;
    expect(sources.filter(([, { body }]) => risky.test(body.toString()))).toEqual([]);
  });
});
