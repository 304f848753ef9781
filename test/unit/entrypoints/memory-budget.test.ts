import { expect, it } from 'vitest';
import { ByteBudget, Held } from '../../../src/entrypoints/memory-budget.ts';

it('a budget is exceeded beyond its limit, until enough is released', () => {
  const budget = new ByteBudget(10);
  budget.hold(10);
  expect(budget.isExceeded).toBe(false);
  budget.hold(1);
  expect(budget.isExceeded).toBe(true);
  budget.release(1);
  expect(budget.isExceeded).toBe(false);
});

it('several holders share a budget, each with what it has now', () => {
  const budget = new ByteBudget(10);
  const [one, other] = [new Held(budget), new Held(budget)];
  one.set(6);
  one.set(7);
  expect(budget.isExceeded).toBe(false);
  other.set(4);
  expect(budget.isExceeded).toBe(true);
  one.set(0);
  other.set(10);
  expect(budget.isExceeded).toBe(false);
});
