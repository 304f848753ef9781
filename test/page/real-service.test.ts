// @module-tag db
// @module-tag browser
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CHROMIUM, findBarriers, startBrowser, Tab } from '../support/browser.ts';
import { RunningService } from '../support/running-service.ts';
import { ServiceProcess } from '../support/service-process.ts';

const HOSTILE = '<img src=x onerror="window.isHacked=1">';

describe.skipIf(CHROMIUM === null)('The page of a real service', { timeout: 240_000 }, () => {
  let browser: Browser;
  let parts: AsyncDisposableStack;

  beforeAll(async () => {
    browser = await startBrowser();
  }, 240_000);
  afterAll(async () => browser.close());
  beforeEach(() => {
    parts = new AsyncDisposableStack();
  });
  afterEach(async () => parts.disposeAsync());

  async function open(url: string): Promise<Tab> {
    const tab = parts.use(await Tab.open(browser));
    await tab.page.goto(url);
    return tab;
  }

  const goTo = (page: Page, hash: string) =>
    page.evaluate(`location.hash = ${JSON.stringify(hash)}`);

  it('shows a poisoned command, lets an operator edit it, and shows its answer', async () => {
    const running = parts.use(
      await RunningService.start({ TOPIC_PARTITIONS: '1', AUDIT_TOPIC: 'audit' }),
    );
    const url = running.service.http.url ?? '';
    await running.send({ type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 9 });
    const { page, errors, requests } = await open(`${url}/#/dead-letters`);
    await page.getByText('No message waits.').waitFor();
    const command = {
      type: 'AllocateOrder',
      id: `cmd ${HOSTILE}`,
      orderid: 'order-1',
      sku: 'LAMP',
    };
    await running.send({ ...command, qty: 0 });
    await page.getByRole('link', { name: command.id }).click();

    await page.getByText('As it is, it fails again:').waitFor();
    await page.getByRole('button', { name: 'Edit and redrive…' }).click();
    await page.getByLabel(/^qty/).fill('2');
    await page.getByRole('button', { name: 'Check the command' }).click();
    await page.getByRole('button', { name: 'Redrive 1 message' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.locator('.badge', { hasText: 'done' }).waitFor();
    await dialog.getByRole('button', { name: 'Close' }).last().click();
    await page.locator('.badge', { hasText: 'redriven' }).waitFor();

    await goTo(page, '#/orders/order-1');
    await page.getByText('the whole way').waitFor();
    await page.getByText('Allocated', { exact: true }).first().waitFor();
    await goTo(page, '#/stock/LAMP');
    await page.getByText('7 available').waitFor();
    await page.getByRole('cell', { name: 'Allocated' }).first().waitFor();
    await goTo(page, '#/audit');
    await page
      .getByRole('cell', { name: /dead-letters (edit|redrive)/ })
      .first()
      .waitFor();
    expect(errors).toEqual([]);
    expect(await page.evaluate('window.isHacked')).toBeUndefined();
    expect(requests.filter((each) => !each.startsWith(url))).toEqual([]);
  });

  it('pauses and resumes a lane, and says so in every section', async () => {
    const running = parts.use(await RunningService.start({ TOPIC_PARTITIONS: '1' }));
    const { page } = await open(`${running.service.http.url}/#/now`);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByLabel('Reason').fill(`wrong prices ${HOSTILE}`);
    await page.getByRole('button', { name: 'Pause lane 0' }).click();
    await page.getByRole('button', { name: 'Resume lane 0' }).waitFor();
    await goTo(page, '#/stock');
    const health = page.getByRole('status');
    await health.getByText('wrong prices <img').waitFor();
    await goTo(page, '#/now');
    await page.getByRole('button', { name: 'Resume lane 0' }).click();
    await health.getByText('Well', { exact: true }).waitFor();
    expect(await page.evaluate('window.isHacked')).toBeUndefined();
  });

  it('verifies the database, and shows the plan of a rebuild', async () => {
    const running = parts.use(await RunningService.start({ TOPIC_PARTITIONS: '1' }));
    await running.send({ type: 'CreateBatch', reference: 'batch-1', sku: 'LAMP', quantity: 9 });
    await running.idle();
    const { page } = await open(`${running.service.http.url}/#/recovery`);
    await page.getByRole('button', { name: 'Verify the database' }).click();
    await page.getByText('The database is what the topics say.').waitFor();
    await page.getByRole('button', { name: 'Show the plan' }).click();
    await page.getByText('npx allocation replay rebuild').first().waitFor();
    expect(await findBarriers(page)).toEqual([]);
  });

  it('says that the service does not answer, and comes back by itself', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-page-'));
    parts.defer(() => rm(directory, { recursive: true, force: true }));
    const service = parts.use(await ServiceProcess.start({}, directory));
    const { page } = await open(`${service.url}/#/events`);
    const health = page.getByRole('status');
    await health.getByText('Well', { exact: true }).waitFor();
    await page.locator('.badge', { hasText: 'live' }).waitFor();
    await service.stop('SIGKILL');
    const killedAt = Date.now();
    await health.getByText(/has not answered since \d\d:\d\d:\d\d UTC/).waitFor();
    const seconds = (Date.now() - killedAt) / 1_000;
    const port = new URL(service.url).port;
    parts.use(await ServiceProcess.start({ HTTP_PORT: port }, directory));
    await health.getByText('Well', { exact: true }).waitFor();
    await page.locator('.badge', { hasText: 'live' }).waitFor();
    // A busy machine draws late.
    expect(seconds).toBeLessThan(10);
  });
});
