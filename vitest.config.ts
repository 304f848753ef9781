import { defineConfig } from 'vitest/config';

const UNIT = 'test/unit/**/*.test.ts';

export default defineConfig({
  test: {
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Tests of one file that spend most of their time waiting for timeouts (e2e/fault-points).
    maxConcurrency: 3,
    tags: [
      { name: 'db', description: 'Opens a database, SQLite or PostgreSQL.' },
      { name: 'kafka', description: 'Needs a real Kafka.' },
      { name: 'browser', description: 'Needs Chromium.' },
      { name: 'slow', description: '`npm run test:all` runs it, `npm test` does not.' },
      { name: 'campaign', description: 'Tries faults, and needs the machine for itself.' },
    ],
    projects: [
      {
        extends: true,
        // All files of a worker share its modules, which takes half of the processor time.
        test: { name: 'unit', include: [UNIT], isolate: false },
      },
      {
        extends: true,
        test: {
          name: 'real parts',
          include: ['{test,clients/typescript/test}/**/*.test.ts'],
          exclude: [UNIT],
          globalSetup: ['test/support/global-setup.ts'],
        },
      },
    ],
  },
});
