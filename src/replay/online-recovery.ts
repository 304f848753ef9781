import { setTimeout as sleep } from 'node:timers/promises';
import { describeUrl } from '../adapters/database/connection/database-url.ts';
import type { Database } from '../adapters/database/database.ts';
import { isEmpty } from '../adapters/database/replay/rebuild-target.ts';
import type { JobControl } from '../jobs/job.ts';
import type { Broker } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import { type Differences, differenceInWords } from './differences.ts';
import { ReplayRefusedError } from './errors.ts';
import { countOffsets } from './offset-ranges.ts';
import { describeTime, describeTopic, USUAL_REBUILD_RATE } from './plan-texts.ts';
import { planRebuild, type RebuildPlan } from './rebuild-plan.ts';
import { refuseEmptyTopic, refuseLostBeginning } from './rebuild-refusals.ts';
import { type RecoveryConfig, rebuildCommand } from './recovery-advice.ts';
import { verdictOfVerify, verify } from './verify.ts';

/** Planning takes longer only where committed offsets are missing, and all events must be read. */
const PLAN_TIMEOUT_MS = 5_000;

interface OnlineRecoveryOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly config: RecoveryConfig;
  /** @throws {TroubleError} the database is not prepared yet */
  readonly mustBePrepared: () => void;
}

/** Examines the database of a service that runs, for operators. Changes nothing. */
export class OnlineRecovery {
  readonly #options: OnlineRecoveryOptions;

  constructor(options: OnlineRecoveryOptions) {
    this.#options = options;
  }

  /**
   * Compares the database with the topics, as the work of a job. The job shows the differences as
   * it finds them. After each step the job rests as long as the step took, because lanes use the
   * same thread.
   *
   * @returns the verdict, and the first differences of each kind
   */
  async verify(job: JobControl): Promise<object> {
    const { database, broker, config, mustBePrepared } = this.#options;
    mustBePrepared();
    const { eventsTopic, commandsTopic, groupId: group } = config;
    job.expect(countOffsets(await broker.offsetRanges(eventsTopic)));
    job.say(`Comparing the database with ${eventsTopic}`);
    let restedMs = performance.now();
    const advance = async (count: number) => {
      job.advance(count);
      await sleep(performance.now() - restedMs, undefined, { signal: job.signal });
      restedMs = performance.now();
    };
    const show = (differences: Differences) => {
      const { first, counts } = differences;
      const newest = first.at(-1);
      if (newest) job.say(differenceInWords(newest));
      job.show({ count: countOf(differences), counts, differences: first });
    };
    const plan = { eventsTopic, commandsTopic, group };
    const report = await onOwnConnections(database, (own) =>
      verify(own, broker, plan, { signal: job.signal, advance }, show),
    );
    const verdict = verdictOfVerify(report);
    const count = countOf(report);
    job.say(
      verdict === 'different'
        ? `The database differs from the topics: ${count} differences`
        : `The database agrees with the topics: ${report.read} records were compared`,
    );
    return { verdict, count, ...report };
  }

  /**
   * Says what a rebuild of the service's database would do. Changes nothing.
   *
   * @throws {TroubleError} the log cannot be reached, or committed offsets are missing
   */
  async plan() {
    const { database, config, mustBePrepared } = this.#options;
    mustBePrepared();
    const fromCopy = !(await isEmpty(database));
    const plan = await this.#rebuildPlan(fromCopy);
    const refusal = await this.#refusalOf(plan);
    const command = await rebuildCommand(database, config);
    const { eventsTopic, ranges, positions, group } = plan;
    const offsets = countOffsets(ranges);
    const lanes = positions.map(
      ({ topic, partition, nextOffset }) => `${topic}/${partition} at ${nextOffset}`,
    );
    const contents = fromCopy ? 'it has rows: a rebuild adds what it lacks' : 'it is empty';
    const end =
      refusal === null
        ? `To rebuild it, stop the service, then run: ${command ?? 'AUTO_RECOVER=true at a start'}`
        : `A rebuild would be refused: ${refusal}`;
    return {
      lines: [
        `Target: ${describeUrl(config.databaseUrl)}; ${contents}`,
        `Events: ${describeTopic(eventsTopic, ranges)}`,
        `The lanes go on at: ${lanes.join(', ') || 'the beginning'} (group ${group})`,
        `Time: ${describeTime(offsets, USUAL_REBUILD_RATE)}`,
        end,
      ],
      command,
      refusal,
      events: { topic: eventsTopic, offsets },
      positions: positions.map(({ partition, nextOffset }) => ({ partition, nextOffset })),
      seconds: Math.ceil(offsets / USUAL_REBUILD_RATE),
    };
  }

  async #rebuildPlan(fromCopy: boolean): Promise<RebuildPlan> {
    const { broker, config } = this.#options;
    const signal = AbortSignal.timeout(PLAN_TIMEOUT_MS);
    const watch = { signal, onProgress: () => {} };
    try {
      return await planRebuild(broker, config, { until: null, fromCopy }, undefined, watch);
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new TroubleError(
        'The plan takes long: committed offsets may be missing, so all events must be read. ' +
          'See the plan with "npx allocation replay rebuild"',
        { cause: error },
      );
    }
  }

  async #refusalOf(plan: RebuildPlan): Promise<string | null> {
    const { database, broker } = this.#options;
    try {
      await refuseEmptyTopic(broker, plan);
      await refuseLostBeginning(broker, database, plan, new Map());
      return null;
    } catch (error) {
      if (error instanceof ReplayRefusedError) return error.message;
      throw error;
    }
  }
}

/**
 * Runs work that holds connections to PostgreSQL for long. The lanes keep all of theirs. On SQLite,
 * the work reads the file itself.
 */
async function onOwnConnections<T>(
  database: Database,
  work: (own: Database) => Promise<T>,
): Promise<T> {
  if (database.dialect === 'sqlite') return work(database);
  const own = await database.openApart();
  try {
    return await work(own);
  } finally {
    await own.close();
  }
}

function countOf({ counts }: Pick<Differences, 'counts'>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
