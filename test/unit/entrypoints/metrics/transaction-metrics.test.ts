import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Metrics } from '../../../../src/entrypoints/metrics/metrics.ts';
import { StepTimes } from '../../../../src/entrypoints/metrics/transaction-metrics.ts';
import { scrape } from '../../../support/metrics.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('a transaction is measured as a whole and by its steps, repeated ones included', async () => {
  const metrics = new Metrics();
  const times = new StepTimes();
  for (const [step, ms] of [
    ['read', 250],
    ['wait', 125],
    ['begin', 500],
    ['handle', 1_000],
    // The database has undone the first attempt.
    ['begin', 500],
    ['handle', 2_000],
    ['commit', 125],
  ] as const) {
    vi.advanceTimersByTime(ms);
    times.end(step);
  }
  metrics.transactions.observe(times, undefined);
  const name = 'allocation_transaction_step_duration_seconds_sum';
  expect(await scrape(metrics, name)).toEqual([
    `${name}{step="read"} 0.25`,
    `${name}{step="wait"} 0.125`,
    `${name}{step="begin"} 1`,
    `${name}{step="handle"} 3`,
    `${name}{step="commit"} 0.125`,
  ]);
  expect(await scrape(metrics, 'allocation_transaction_duration_seconds_sum')).toEqual([
    'allocation_transaction_duration_seconds_sum 4.5',
  ]);
});

it('counts a failed attempt by what follows, and a reopening elsewhere', async () => {
  const metrics = new Metrics();
  for (const action of ['isolate', 'retry', 'retry', 'reopen', 'dead-letter'] as const)
    metrics.transactions.countFailure(action);
  expect(await scrape(metrics, 'allocation_handler_retries_total')).toEqual([
    'allocation_handler_retries_total{action="retry"} 2',
    'allocation_handler_retries_total{action="isolate"} 1',
    'allocation_handler_retries_total{action="halve"} 0',
  ]);
});
