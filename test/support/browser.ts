import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
/** A loaded machine takes its time to draw. */
const TIMEOUT_MS = 120_000;

/** The browser of this machine. Null: there is none, and nobody requires one. */
export const CHROMIUM = findChromium();

function findChromium(): string | null {
  const found = PATHS.find((path) => existsSync(path)) ?? null;
  if (found === null && process.env.CI)
    throw new Error(`CI needs a browser: install Debian's chromium (one of ${PATHS.join(', ')})`);
  if (found === null)
    process.stderr.write('Tests of the page are skipped: they need Chromium (Debian: chromium)\n');
  return found;
}

/** Starts the browser. Its sandbox needs privileges that a container lacks. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM ?? '',
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: TIMEOUT_MS,
  });
}

/** A tab that notes what a good page never does. */
export class Tab implements AsyncDisposable {
  readonly page: Page;
  readonly #context: BrowserContext;
  /** The URL of every request. */
  readonly requests: string[] = [];
  /** Errors of scripts, and what the browser refused or could not load. */
  readonly errors: string[] = [];

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
    context.on('request', (request) => this.requests.push(request.url()));
    page.on('pageerror', (error) => this.errors.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      if (message.type() === 'error') this.errors.push(message.text());
    });
  }

  static async open(
    browser: Browser,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<Tab> {
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      ...options,
    });
    context.setDefaultTimeout(TIMEOUT_MS);
    return new Tab(context, await context.newPage());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
  }
}

const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');

/** Returns what the page makes hard for people with disabilities, one line each. */
export async function findBarriers(page: Page): Promise<readonly string[]> {
  await page.evaluate(await readFile(axe, 'utf8'));
  const script = `axe.run().then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ target, failureSummary }) => id + ': ' + help + ' ' + target + ' ' + failureSummary)))`;
  return page.evaluate<string[]>(script);
}
