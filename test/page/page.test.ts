// @module-tag browser
// @module-tag slow

import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM, findBarriers, startBrowser, Tab } from '../support/browser.ts';
import { FakePageApi } from '../support/fake-page-api.ts';
import { HOSTILE } from '../support/fake-page-data.ts';

const letter = (number: number) => encodeURIComponent(`allocation.dead-letters/0/${number}`);
const SECTIONS = [
  '#/now',
  '#/events',
  '#/orders',
  `#/orders/${encodeURIComponent(HOSTILE)}`,
  '#/stock',
  `#/stock/${encodeURIComponent(HOSTILE)}`,
  '#/dead-letters',
  `#/dead-letters/${letter(1)}`,
  '#/recovery',
  '#/audit',
  '#/nowhere',
];
/** The most rows and cells that a section draws, so that it stays quick. */
const MAX_ELEMENTS = 4_000;

/** Less is good, by the definition of Core Web Vitals. */
const MAX_LAYOUT_SHIFT = 0.1;
/** Adds up what moved so far; the observer reports that at once. */
const LAYOUT_SHIFT = `new Promise((resolve) => {
  new PerformanceObserver((list) =>
    resolve(list.getEntries().reduce((sum, { value }) => sum + value, 0)),
  ).observe({ type: 'layout-shift', buffered: true });
  setTimeout(resolve, 1_000, 0);
})`;

describe.skipIf(CHROMIUM === null)('The page, before a fake service', { timeout: 240_000 }, () => {
  let browser: Browser;
  let api: FakePageApi;
  let parts: AsyncDisposableStack;

  beforeAll(async () => {
    browser = await startBrowser();
  }, 240_000);
  afterAll(async () => browser.close());
  beforeEach(async () => {
    parts = new AsyncDisposableStack();
    api = parts.use(await FakePageApi.start());
  });
  afterEach(async () => parts.disposeAsync());

  async function open(link: string, options: Parameters<typeof Tab.open>[1] = {}): Promise<Tab> {
    const tab = parts.use(await Tab.open(browser, options));
    await show(tab, link);
    return tab;
  }

  async function show(tab: Tab, link: string): Promise<void> {
    await tab.page.goto(`${api.url}/${link}`);
    await tab.page.locator('main h1').waitFor();
    await tab.page.locator('main [aria-busy]').first().waitFor({ state: 'detached' });
    if (link === '#/events')
      await tab.page
        .getByRole('button', { name: /^Open event/ })
        .first()
        .waitFor();
  }

  it.each(['light', 'dark'] as const)(
    'has no barrier in any section, loads nothing from elsewhere, and shows text as text (%s)',
    async (colorScheme) => {
      const tab = await open('#/now', { colorScheme });
      for (const link of SECTIONS) {
        await show(tab, link);
        expect(await findBarriers(tab.page), link).toEqual([]);
      }
      expect(tab.errors).toEqual([]);
      expect(await tab.page.evaluate('window.isHacked')).toBeUndefined();
      expect(tab.requests.filter((url) => !url.startsWith(api.url))).toEqual([]);
      expect(tab.requests.length).toBeGreaterThan(SECTIONS.length);
    },
  );

  it.each(['#/now', '#/dead-letters', '#/stock/LAMP', '#/orders/order-1'])(
    'moves next to nothing while %s is drawn',
    async (link) => {
      const { page } = await open(link);
      expect(await page.evaluate(LAYOUT_SHIFT)).toBeLessThan(MAX_LAYOUT_SHIFT);
    },
  );

  it('fits on a phone of 360 pixels', async () => {
    const tab = await open('#/now', { viewport: { width: 360, height: 740 } });
    for (const link of SECTIONS) {
      await show(tab, link);
      const width = await tab.page.evaluate('document.documentElement.scrollWidth');
      expect([link, width]).toEqual([link, 360]);
    }
  });

  it('pages through 100,000 dead letters, and goes back', async () => {
    const { page } = await open('#/dead-letters');
    const inAll = page.getByText('100,000 messages in all');
    await inAll.waitFor();
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.getByRole('link', { name: 'cmd-199' }).waitFor();
    expect(await page.locator('main *').count()).toBeLessThan(MAX_ELEMENTS);
    await page.goBack();
    await page.getByRole('link', { name: 'cmd-0', exact: true }).waitFor();
  });

  it('pages through 1,000,000 products', async () => {
    const { page } = await open('#/stock?after=999800');
    await page.getByRole('link', { name: 'SKU-0999899' }).waitFor();
    await page.getByRole('button', { name: 'Next page' }).click();
    await page.getByRole('link', { name: 'SKU-0999999' }).waitFor();
    expect(await page.locator('main *').count()).toBeLessThan(MAX_ELEMENTS);
  });

  it('redrives all dead letters after it has shown how many', async () => {
    const { page } = await open('#/dead-letters');
    await page.getByRole('button', { name: /^Redrive all 100,000/ }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText('100,000 messages are concerned.').waitFor();
    expect(api.acts).toEqual([]);
    expect(await findBarriers(page)).toEqual([]);
    await dialog.getByRole('button', { name: 'Redrive 100,000 messages' }).click();
    await dialog.locator('.badge', { hasText: 'done' }).waitFor();
    expect(api.acts).toEqual([
      { path: '/dead-letters/redrive', body: { all: true, expectedCount: 100_000 } },
    ]);
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.getByText('No message waits.').waitFor();
  });

  it('discards the chosen dead letters alone', async () => {
    const { page } = await open('#/dead-letters?reason=invalid-data');
    for (const number of [0, 4])
      await page.getByLabel(`Choose allocation.dead-letters/0/${number}`, { exact: true }).check();
    await page.getByRole('button', { name: /^Discard 2 chosen/ }).click();
    await page.getByRole('button', { name: 'Discard 2 messages' }).click();
    await page.locator('dialog .badge', { hasText: 'done' }).waitFor();
    const ids = [0, 4].map((number) => `allocation.dead-letters/0/${number}`);
    expect(api.acts).toEqual([{ path: '/dead-letters/discard', body: { ids, expectedCount: 2 } }]);
  });

  it('shows what an edit changes, and sends type and data', async () => {
    const { page } = await open(`#/dead-letters/${letter(5)}`);
    await page.getByRole('button', { name: 'Edit and redrive…' }).click();
    await page.getByLabel(/^qty/).fill('3');
    await page.locator('ins', { hasText: '"qty": 3' }).waitFor();
    await page.getByRole('button', { name: 'Check the command' }).click();
    await page.getByRole('button', { name: 'Redrive 1 message' }).click();
    await page.locator('dialog .badge', { hasText: 'done' }).waitFor();
    const data = { orderid: 'order-5', sku: 'CHAIR-5', qty: 3 };
    const body = { type: 'AllocateOrder', data, expectedCount: 1 };
    expect(api.acts).toEqual([{ path: `/dead-letters/${letter(5)}/edit`, body }]);
  });

  it('asks for a token, keeps it for this tab, and hides acts from the role read', async () => {
    [api.token, api.role] = ['secret', 'read'];
    const { page } = await open('#/dead-letters');
    await page.getByRole('alert').getByText('This needs a token').waitFor();
    expect(await findBarriers(page)).toEqual([]);
    await page.getByLabel('Token').fill('secret');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('Your role may look.').first().waitFor();
    await page.reload();
    await page.getByText('100,000 messages in all').waitFor();
    for (const link of ['#/now', '#/dead-letters', `#/dead-letters/${letter(1)}`, '#/recovery']) {
      await page.goto(`${api.url}/${link}`);
      await page.getByText('Night shift read').waitFor();
      const act = page.getByRole('button', { name: /Redrive|Discard|Edit|Pause|Resume|Verify/ });
      expect(await act.count(), link).toBe(0);
    }
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Token').waitFor();
  });

  it('obeys the keys that it lists', async () => {
    const { page } = await open('#/now');
    await page.keyboard.press('?');
    const help = page.getByRole('dialog', { name: 'Keys' });
    await help.waitFor();
    await page.keyboard.press('g');
    await page.keyboard.press('Escape');
    await help.waitFor({ state: 'detached' });
    await page.keyboard.press('g');
    await page.keyboard.press('s');
    await page.getByRole('heading', { name: 'Stock' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('CHAIR');
    await page.waitForURL(/search=CHAIR/);
    expect(await page.evaluate('document.activeElement.closest("main") !== null')).toBe(true);
  });

  it('filters live events, opens one, and goes on after a pause', async () => {
    const { page } = await open('#/events');
    await page.getByText('30 events shown of 30').waitFor();
    await page.getByLabel('Type').selectOption('OutOfStock');
    await page.getByText('6 events shown of 30').waitFor();
    await page.waitForURL(/type=OutOfStock/);
    await page
      .getByRole('button', { name: /^Open event/ })
      .first()
      .click();
    await page.getByText('"specversion": "1.0"').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByRole('button', { name: 'Go on (0 new)' }).click();
    const download = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export CSV' }).click();
    expect((await download).suggestedFilename()).toBe('events.csv');
  });

  it('says how many events the service left out of the sample', async () => {
    api.leftOut = 1_234;
    const { page } = await open('#/events');
    await page.getByText('30 events shown of 30').waitFor();
    await page.getByText('About 1,234 more came too fast to show.').waitFor();
    await page.getByRole('button', { name: 'Clear' }).click();
    await page.getByText('0 events shown of 0 since you opened this section.').waitFor();
    expect(await page.getByText('too fast to show').count()).toBe(0);
  });
});
