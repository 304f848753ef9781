import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readPageFiles } from '../../src/entrypoints/http/page-files.ts';
import { PAGE_POLICY } from '../../src/entrypoints/http/page-routes.ts';
import {
  auditOf,
  eventOf,
  HOSTILE,
  historyOf,
  PRODUCTS,
  planOf,
  productHistoryOf,
  productOf,
  skuOf,
  statusOf,
  wayOf,
} from './fake-page-data.ts';
import {
  DEAD_LETTERS,
  groupsOf,
  letterOf,
  previewOf,
  WHOLE,
  wholeLetterOf,
} from './fake-page-letters.ts';

const PAGE_ITEMS = 100;
/** How many events the stream has at once. */
const EVENTS = 30;

interface Answer {
  readonly status?: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * Serves the page, and answers its questions from memory: 100,000 dead letters, 1,000,000 products,
 * and nothing behind them.
 */
export class FakePageApi implements AsyncDisposable {
  readonly #server: Server;
  readonly #files = readPageFiles();
  readonly #jobs = new Map<string, number>();
  readonly #open = new Set<ServerResponse>();
  /** Every act: its path and its body. */
  readonly acts: { readonly path: string; readonly body: unknown }[] = [];
  /** The role of the caller. Null: nobody needs a token. */
  role: string | null = null;
  /** The token that the API wants. Null: none. */
  token: string | null = null;
  letters = DEAD_LETTERS;
  /** How many events the stream says it leaves out. */
  leftOut = 0;
  /** What stands where things have hostile names. */
  hostileName = HOSTILE;

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response));
  }

  static async start(): Promise<FakePageApi> {
    const api = new FakePageApi();
    await once(api.#server.listen(0, '127.0.0.1'), 'listening');
    return api;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const file = this.#files.get(url.pathname);
    if (file) {
      response
        .writeHead(200, { 'content-type': file.type, 'content-security-policy': PAGE_POLICY })
        .end(file.body);
      return;
    }
    if (this.token !== null && request.headers.authorization !== `Bearer ${this.token}`) {
      this.#send(response, { status: 401, body: { detail: 'This needs a token' } });
      return;
    }
    if (url.pathname === '/events') {
      this.#stream(response);
      return;
    }
    let text = '';
    for await (const chunk of request) text += chunk;
    const body = text === '' ? {} : JSON.parse(text);
    this.#send(
      response,
      request.method === 'POST' ? this.#act(url.pathname, body) : this.#read(url),
    );
  }

  #send(response: ServerResponse, { status = 200, body, headers = {} }: Answer): void {
    const type = status < 400 ? 'application/json' : 'application/problem+json';
    response.writeHead(status, { 'content-type': type, ...headers }).end(this.#textOf(body));
  }

  #textOf(body: unknown): string {
    const inJson = (text: string) => JSON.stringify(text).slice(1, -1);
    return JSON.stringify(body).replaceAll(inJson(HOSTILE), inJson(this.hostileName));
  }

  #stream(response: ServerResponse): void {
    this.#open.add(response);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (this.leftOut > 0)
      response.write(`event: gap\ndata: {"reason":"sampled","leftOut":${this.leftOut}}\n\n`);
    for (let number = 0; number < EVENTS; number += 1)
      response.write(`id: 0/${number}\ndata: ${this.#textOf(eventOf(number))}\n\n`);
  }

  #act(
    path: string,
    body: { readonly dryRun?: boolean; readonly ids?: readonly string[] },
  ): Answer {
    const count = path.endsWith('edit') ? 1 : (body.ids?.length ?? this.letters);
    if (body.dryRun) return { body: previewOf(count) };
    this.acts.push({ path, body });
    const id = String(this.#jobs.size);
    this.#jobs.set(id, 0);
    return { status: 202, body: {}, headers: { location: `/jobs/${id}` } };
  }

  #read({ pathname, searchParams: query }: URL): Answer {
    const [, first = '', name = '', last] = pathname.split('/').map(decodeURIComponent);
    const after = Number(query.get('after') ?? 0);
    const routes: Readonly<Record<string, () => unknown>> = {
      status: () => (name === 'history' ? historyOf() : statusOf(this.role, this.letters)),
      'dead-letters': () => this.#letters(name, after),
      products: () => (last ? productHistoryOf(name) : name ? productOf(name) : products(after)),
      batches: () => ({
        reference: name,
        lines: [{ orderid: 'order-1', qty: 2 }],
        hasMoreLines: false,
      }),
      orders: () => (last ? wayOf(name) : { orders: [{ orderid: 'order-1' }] }),
      allocations: () => [{ sku: 'SMALL-TABLE', qty: 2, batchref: 'batch-19' }],
      audit: auditOf,
      recovery: planOf,
      jobs: () => this.#job(name),
    };
    const found = pathname.startsWith('/allocation/schemas')
      ? SCHEMAS[pathname]
      : routes[first]?.();
    if (found === undefined) return { status: 404, body: { detail: `There is no ${pathname}` } };
    const next = first === 'products' || first === 'dead-letters' ? after + PAGE_ITEMS : null;
    const link = next !== null &&
      name === '' && { link: `<${pathname}?after=${next}>; rel="next"` };
    return { body: found, headers: { ...link } };
  }

  #letters(name: string, after: number): unknown {
    if (name === 'groups') return groupsOf(this.letters);
    if (name !== '') return wholeLetterOf(Number(name.split('/').at(-1)));
    const length = Math.min(PAGE_ITEMS, this.letters - after);
    const deadLetters = Array.from({ length }, (_, index) => letterOf(after + index));
    return {
      deadLetters,
      hasMoreDeadLetters: after + length < this.letters,
      total: this.letters,
      ...WHOLE,
    };
  }

  /** A job is half done when it is asked for first, and then done. */
  #job(id: string): unknown {
    const asked = this.#jobs.get(id);
    if (asked === undefined) return undefined;
    this.#jobs.set(id, asked + 1);
    const isAboutLetters = this.acts.at(-1)?.path.startsWith('/dead-letters');
    if (asked > 0 && isAboutLetters) this.letters = 0;
    const state = asked === 0 ? 'running' : 'done';
    const result = { count: 0, differences: [] };
    return { id, act: 'act', state, done: asked + 1, total: 2, message: 'at work', result };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const response of this.#open) response.destroy();
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

function products(after: number) {
  const length = Math.min(PAGE_ITEMS, PRODUCTS - after);
  return {
    products: Array.from({ length }, (_, index) => ({ sku: skuOf(after + index), version: index })),
    hasMoreProducts: after + length < PRODUCTS,
  };
}

const name = { type: 'string', minLength: 1, maxLength: 255, description: 'A name.' };
const SCHEMAS: Readonly<Record<string, unknown>> = {
  '/allocation/schemas': {
    schemas: [
      {
        kind: 'command',
        type: 'AllocateOrder',
        version: 1,
        uri: '/allocation/schemas/AllocateOrder/1',
      },
    ],
  },
  '/allocation/schemas/AllocateOrder/1': {
    properties: {
      orderid: name,
      sku: name,
      qty: { type: 'integer', minimum: 1, description: 'How much of the product.' },
      lines: { type: 'array' },
    },
    required: ['orderid'],
  },
};
