import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { describeUrl } from '../adapters/database/connection/database-url.ts';
import type { Database } from '../adapters/database/database.ts';
import { UnfoldableError } from '../adapters/database/replay/event-fold.ts';
import { readPositions } from '../adapters/database/replay/lane-positions.ts';
import { readMark } from '../adapters/database/replay/rebuild-mark.ts';
import { isEmpty } from '../adapters/database/replay/rebuild-target.ts';
import { inTurn } from '../adapters/database/replay/rebuild-turn.ts';
import type { Audit, BegunAct } from '../audit/audit.ts';
import { AnswerReader, type Watch } from '../entrypoints/answered-offsets.ts';
import type { Broker } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import { ReplayRefusedError } from './errors.ts';
import { ForeignRecordError } from './foreign-records.ts';
import { readGroupOffsets } from './group-offsets.ts';
import { countOffsets } from './offset-ranges.ts';
import { Rebuild } from './rebuild.ts';
import { parsePlan, planRebuild } from './rebuild-plan.ts';
import { type RecoveryConfig, rebuildCommand } from './recovery-advice.ts';

const RETRY_MS = 5_000;
/** A retry may read all events before it is refused again. */
const LONGEST_RETRY_MS = 60_000;
/** The delay reaches `LONGEST_RETRY_MS` earlier; the limit keeps the power finite. */
const MAX_DOUBLINGS = 10;
const LOG_EVERY_MS = 5_000;

interface AutoRecoveryOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly config: RecoveryConfig;
  readonly log: Logger;
  readonly audit: Audit;
}

/**
 * Rebuilds the service's own database before the service goes on with it (AUTO_RECOVER).
 *
 * 1. Check whether a rebuild is needed: a rebuild is unfinished, or the position of a lane lies
 *    below the group's committed offset. The published events replace a missing offset. If no
 *    rebuild is needed, stop. The lanes refuse a database of another log.
 * 2. Wait for the turn. Check again, because another instance may have rebuilt the database. Then
 *    rebuild: keep the rows that are there, and add what they lack. Check a last time.
 * 3. If the rebuild is refused (events are missing, another process uses the database …), report
 *    the reason and try again in the same turn. If the log or the database cannot be reached, or
 *    the turn is lost, give the turn back and begin at step 1.
 *
 * For the audit, all attempts are one act. The first attempt begins the act.
 *
 * The next start after a crash or an abort finds the unfinished rebuild in step 1, and goes on.
 *
 * A database may become older while the service runs, as after a failover that lost commits. Then
 * the process ends with an error (`lane-parts.ts`), because what it remembers of its lanes may be
 * wrong. The next start recovers the database.
 */
export class AutoRecovery {
  readonly #options: AutoRecoveryOptions;
  readonly #answers: AnswerReader;
  #progress: string | null = null;
  #failure: string | null = null;
  #failures = 0;
  /** Null: this instance has attempted no rebuild. */
  #act: BegunAct | null = null;

  constructor(options: AutoRecoveryOptions) {
    this.#options = options;
    this.#answers = new AnswerReader(options.broker, options.config, options.log);
  }

  /**
   * Says what the recovery does now and how far it has come, and why the last attempt failed: one
   * sentence each. Empty: it does nothing.
   */
  problems(): readonly string[] {
    return [this.#progress, this.#failure].filter((problem) => problem !== null);
  }

  /** What the recovery does now, and how far it has come, or why the last attempt failed. */
  get state(): { readonly state: 'none' | 'running' | 'failed'; readonly progress: string | null } {
    if (this.#progress !== null) return { state: 'running', progress: this.#progress };
    return { state: this.#failure === null ? 'none' : 'failed', progress: this.#failure };
  }

  /**
   * Tells whether a start would rebuild the database now.
   * @throws {TroubleError} the log or the database cannot be reached
   */
  isNeeded(signal: AbortSignal): Promise<boolean> {
    return this.#isNeeded({ signal, onProgress: () => {} });
  }

  /**
   * Resolves when the service can go on with its database, or when the signal aborts. Never
   * rejects, and never gives up.
   */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!(await this.#isNeeded(this.#watch(signal)))) break;
        this.#progress = 'The database must be rebuilt: waiting for another instance that rebuilds';
        await inTurn(this.#options.database, signal, (turn) => this.#untilRebuilt(turn));
      } catch (error) {
        await this.#fail(error, signal);
      }
    }
    await this.#endAct(signal.aborted ? 'interrupted' : 'succeeded');
    this.#progress = null;
    this.#failure = null;
  }

  async #isNeeded(watch: Watch): Promise<boolean> {
    const { database, broker, config } = this.#options;
    if ((await readMark(database)) !== null) return true;
    const logId = await broker.logId(config.commandsTopic);
    const names = { group: config.groupId, commandsTopic: config.commandsTopic };
    const offsets = await readGroupOffsets(broker, names, this.#answers, watch);
    const positions = await readPositions(database, config.commandsTopic);
    if (positions.some((position) => position.logId !== null && position.logId !== logId))
      return false;
    const at = new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
    return offsets.some((offset, partition) => (at.get(partition) ?? 0) < (offset ?? 0));
  }

  /** Reports the search for missing committed offsets. */
  #watch(signal: AbortSignal): Watch {
    return {
      signal,
      onProgress: (text) => {
        this.#progress = `Committed offsets are missing: the service ${text}`;
      },
    };
  }

  /** Rebuilds the database. Repeats a refused attempt. */
  async #untilRebuilt(signal: AbortSignal): Promise<void> {
    const { audit, config } = this.#options;
    while (await this.#isNeeded(this.#watch(signal))) {
      const act = { act: 'replay rebuild', on: [describeUrl(config.databaseUrl)] } as const;
      this.#act ??= await audit.begin(act);
      try {
        await this.#rebuild(signal);
        return await this.#endAct('succeeded');
      } catch (error) {
        if (!(error instanceof ReplayRefusedError || error instanceof UnfoldableError)) throw error;
        await this.#fail(error, signal);
        signal.throwIfAborted();
      }
    }
  }

  async #endAct(state: 'succeeded' | 'interrupted'): Promise<void> {
    const act = this.#act;
    this.#act = null;
    if (state === 'interrupted')
      act?.failed(this.#failure ?? 'The service has stopped before the database was rebuilt');
    await act?.end(state);
  }

  async #rebuild(signal: AbortSignal): Promise<void> {
    const { log, config } = this.#options;
    const { rebuild, how } = await this.#begin(signal);
    const total = countOffsets(rebuild.plan.ranges);
    let done = await rebuild.done();
    const startedMs = performance.now();
    let loggedMs = startedMs;
    const show = () => {
      const share = `${percent(done, total)} % of ${total} offsets`;
      this.#progress = `The database is being rebuilt from ${config.eventsTopic}: ${share}`;
    };
    show();
    log.warn(
      { total, done },
      `The database is older than the topics: ${how} from ${config.eventsTopic}`,
    );
    const { read, applied } = await rebuild.run({
      signal,
      advance: async (offsets) => {
        done += offsets;
        show();
        if (performance.now() - loggedMs < LOG_EVERY_MS) return;
        loggedMs = performance.now();
        log.info({ total, done }, `Rebuilding the database: ${percent(done, total)} %`);
      },
    });
    this.#failures = 0;
    const seconds = Math.round(performance.now() - startedMs) / 1_000;
    log.info(
      { read, applied, seconds },
      `The database is rebuilt: ${read} records read in ${seconds} s`,
    );
  }

  /** Plans a rebuild, or finds the unfinished one. @returns also the log's words for the rebuild */
  async #begin(signal: AbortSignal): Promise<{ readonly rebuild: Rebuild; readonly how: string }> {
    const { database, broker, config } = this.#options;
    const mark = await readMark(database);
    const fromCopy = mark ? parsePlan(mark.plan).fromCopy : !(await isEmpty(database));
    const plan = await planRebuild(
      broker,
      config,
      { until: null, fromCopy },
      this.#answers,
      this.#watch(signal),
    );
    const rebuild = await Rebuild.into(database, broker, plan);
    if (mark) return { rebuild, how: 'going on with its unfinished rebuild' };
    return { rebuild, how: fromCopy ? 'bringing it up to date' : 'building it anew' };
  }

  /** Reports why the recovery cannot go on, once for each reason, and waits. */
  async #fail(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#failures += 1;
    this.#progress = null;
    const reason = (error as Error).message;
    const failure = `The database cannot be rebuilt: ${reason}${await this.#wayOut(error)}`;
    const isExpected =
      error instanceof TroubleError ||
      error instanceof ReplayRefusedError ||
      error instanceof UnfoldableError;
    if (failure !== this.#failure)
      this.#options.log.error(isExpected ? {} : { err: error }, failure);
    this.#failure = failure;
    const doublings = Math.min(this.#failures - 1, MAX_DOUBLINGS);
    const afterMs = Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** doublings);
    await sleep(afterMs, undefined, { signal }).catch(() => {});
  }

  /** Only an operator decides to skip records, so the failure names the command for that. */
  async #wayOut(error: unknown): Promise<string> {
    if (!(error instanceof ForeignRecordError)) return '';
    const { database, config } = this.#options;
    const command = await rebuildCommand(database, config);
    if (command === null) return '';
    return (
      '. Look at the record; to skip what others wrote, stop the service, then: ' +
      `${command} --skip-foreign --execute`
    );
  }
}

/** Stays below 100 until the rebuild is over, because the events are folded after they are read. */
function percent(done: number, total: number): number {
  return Math.min(99, Math.floor((100 * done) / Math.max(1, total)));
}
