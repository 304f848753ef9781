import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Of the tests of one file that wait for the same services' time-outs at once (e2e/fault-points).
    maxConcurrency: 3,
  },
});
