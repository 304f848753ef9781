import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startBrowser, Tab } from '../support/browser.ts';
import { FakePageApi } from '../support/fake-page-api.ts';

/*
 * Makes the pictures of docs/page.md: each section of the page in both themes, and some on a phone.
 * With arguments, it makes only the pictures whose names contain one of them.
 */

const SECTIONS: Readonly<Record<string, string>> = {
  now: '#/now',
  events: '#/events',
  order: '#/orders/order-77',
  stock: '#/stock',
  product: '#/stock/SMALL-TABLE',
  'dead-letters': '#/dead-letters',
  'dead-letter': `#/dead-letters/${encodeURIComponent('allocation.dead-letters/0/0')}`,
  recovery: '#/recovery',
  audit: '#/audit',
};
const PHONE = { width: 360, height: 740 };
const WIDE = { width: 1280, height: 800 };

const wanted = process.argv.slice(2);
const folder = join(import.meta.dirname, '..', '..', 'docs', 'images');
await mkdir(folder, { recursive: true });
await using api = await FakePageApi.start();
api.hostileName = 'LAMP-9';
const browser = await startBrowser();
try {
  for (const theme of ['light', 'dark'] as const)
    for (const [name, link] of Object.entries(SECTIONS)) await picture(`${name}-${theme}`, link);
  await picture('now-phone-light', '#/now');
  await picture('dead-letters-phone-dark', '#/dead-letters');
} finally {
  await browser.close();
}

async function picture(name: string, link: string): Promise<void> {
  if (wanted.length > 0 && !wanted.some((each) => name.includes(each))) return;
  const colorScheme = name.endsWith('dark') ? 'dark' : 'light';
  const viewport = name.includes('phone') ? PHONE : WIDE;
  await using tab = await Tab.open(browser, { colorScheme, viewport });
  await tab.page.goto(`${api.url}/${link}`);
  await tab.page.locator('main h1').waitFor();
  await tab.page.locator('main [aria-busy]').first().waitFor({ state: 'detached' });
  if (link === '#/recovery') {
    await tab.page.getByRole('button', { name: 'Verify the database' }).click();
    await tab.page.getByRole('button', { name: 'Show the plan' }).click();
    await tab.page.getByText('no difference').waitFor();
  }
  await tab.page.waitForTimeout(1_000);
  await tab.page.screenshot({ path: join(folder, `${name}.png`) });
  process.stdout.write(`${[name, ...tab.errors].join('\n  ')}\n`);
}
