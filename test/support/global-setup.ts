import type { TestProject } from 'vitest/node';
import { startKafka } from './kafka.ts';
import { startPostgres } from './postgres.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Null: there is none, and the tests that need it are skipped. */
    readonly postgresUrl: string | null;
    /** Null: likewise. */
    readonly kafkaBrokers: string | null;
  }
}

/** Starts what the tests of one run share, except what `--tags-filter` leaves out. */
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

/** Says why tests are skipped; in CI, that is a failure. */
function unavailable(what: string): (reason: Error) => null {
  return (reason) => {
    if (process.env.CI) throw reason;
    process.stderr.write(`Tests on ${what} are skipped: ${reason.message}\n`);
    return null;
  };
}
