import { vi } from 'vitest';

/** Fewer than the tests ask for: each mutant that survives costs all runs of a property test. */
const MAX_RUNS = 200;

/*
 * Property tests have fewer runs here, and the same seed each time, so that the same mutants
 * survive. They spend no time on a smaller counterexample.
 */
vi.mock('fast-check', async (importOriginal) => {
  const original = await importOriginal<typeof import('fast-check')>();
  const assert = (
    ...[property, { numRuns = 100, ...parameters } = {}]: Parameters<typeof original.assert>
  ) =>
    original.assert(property, {
      ...parameters,
      numRuns: Math.min(numRuns, MAX_RUNS),
      seed: 1,
      endOnFailure: true,
    });
  return { ...original, assert, default: { ...original.default, assert } };
});
