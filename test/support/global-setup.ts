import type { TestProject } from 'vitest/node';
import { startKafka } from './kafka.ts';
import { startPostgres } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /**
     * The url of the shared PostgreSQL. Null: there is none, and tests that need it are skipped.
     */
    readonly postgresUrl: string | null;
    /**
     * The addresses of the shared Kafka. Null: there is none, and tests that need it are skipped.
     */
    readonly kafkaBrokers: string | null;
  }
}

/**
 * Starts the servers that all tests of a run share, except those that `--tags-filter` leaves out.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const isLeftOut = (tag: string) =>
    project.vitest.config.tagsFilter?.some((filter) => filter.includes(`!${tag}`)) ?? false;
  const [postgres, kafka] = await Promise.all([
    isLeftOut('db') ? null : startPostgres().catch(unavailable('PostgreSQL')),
    isLeftOut('kafka') ? null : startKafka().catch(unavailable('Kafka')),
  ]);
  project.provide('postgresUrl', postgres?.url ?? null);
  project.provide('kafkaBrokers', kafka?.brokers ?? null);
  return async () => {
    await Promise.all([postgres?.stop(), kafka?.stop()]);
  };
}

/** Returns a handler that says why tests are skipped. In CI the run fails instead. */
function unavailable(what: string): (reason: Error) => null {
  return (reason) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests on ${what} are skipped: ${reason.message}\n`);
    return null;
  };
}
