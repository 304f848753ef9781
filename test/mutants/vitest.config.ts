import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Runs quick files first: they notice most changes, and the first failure ends a run. */
class QuickFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(files)).reverse();
  }
}

/** The tests that `npm run mutants` runs: fast ones, without sockets, databases and real time. */
export default defineConfig({
  test: {
    include: [
      'test/unit/{domain,messages,service-layer}/**/*.test.ts',
      'test/unit/entrypoints/{answer-bytes,answer-tally,delivery-log}.test.ts',
      'test/unit/entrypoints/{encode-answers,lane-report,memory-budget,outbox-chunks}.test.ts',
      'test/unit/entrypoints/{publishing-watch,standstill,transactional-ids}.test.ts',
      'test/unit/entrypoints/unknown-fields.test.ts',
      'test/unit/entrypoints/http/{binding,content-types,last-event-id}.test.ts',
      'test/unit/entrypoints/http/{refused-command,server-sent-event,wait-preference}.test.ts',
      'test/unit/entrypoints/http/doors/{exposure,known-visitors,roles}.test.ts',
    ],
    sequence: { sequencer: QuickFirst },
    setupFiles: ['test/mutants/property-tests.ts'],
    // The files share one worker and its modules: a mutant takes a fraction of the time.
    isolate: false,
    testTimeout: 30_000,
  },
});
