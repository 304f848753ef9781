import { hash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, extname, join } from 'node:path';

/** A file of the page for operators, in memory. */
export interface PageFile {
  readonly type: string;
  readonly etag: string;
  readonly body: Buffer;
}

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const sources = join(import.meta.dirname, '..', '..', 'page');

/**
 * Reads every file that the page needs: its sources and two libraries.
 *
 * @returns the files by the path of their URL; no other path leads to a file
 */
export function readPageFiles(): ReadonlyMap<string, PageFile> {
  const names = globSync('**/*.{css,html,js,svg}', { cwd: sources });
  const own = names.toSorted().map((name) => [urlOf(name), join(sources, name)] as const);
  return new Map([...own, ...libraries()].map(([url, file]) => [url, readPageFile(file)]));
}

function urlOf(name: string): string {
  return name === 'index.html' ? '/' : `/page/${name.replaceAll('\\', '/')}`;
}

/** The libraries, as their packages have them for browsers. */
function libraries(): readonly (readonly [string, string])[] {
  const { resolve } = createRequire(import.meta.url);
  // The package exports this file to bundlers only, so its folder is found by another file.
  const htm = join(dirname(resolve('htm')), '..', 'preact');
  return [
    ['/page/lib/preact.js', join(htm, 'standalone.module.js')],
    ['/page/lib/uplot.js', resolve('uplot/dist/uPlot.esm.js')],
    ['/page/lib/uplot.css', resolve('uplot/dist/uPlot.min.css')],
  ];
}

function readPageFile(file: string): PageFile {
  const body = readFileSync(file);
  const type = CONTENT_TYPES[extname(file)] ?? 'application/octet-stream';
  return { type, etag: `"${hash('sha256', body, 'base64url')}"`, body };
}
