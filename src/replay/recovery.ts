import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Database } from '../adapters/database/database.ts';
import { UnfoldableError } from '../adapters/database/replay/event-fold.ts';
import { isEmpty, readMark, readPositions } from '../adapters/database/replay/rebuild-target.ts';
import { inTurn } from '../adapters/database/replay/rebuild-turn.ts';
import type { Config } from '../config.ts';
import { AnswerReader, type Watch } from '../entrypoints/answered-offsets.ts';
import type { Broker } from '../service-layer/broker.ts';
import { TroubleError } from '../service-layer/errors.ts';
import { ReplayRefusedError } from './errors.ts';
import { ForeignRecordError } from './foreign-records.ts';
import { readGroupPositions } from './group-positions.ts';
import { Rebuild } from './rebuild.ts';
import { countOffsets, planRebuild, readPlan } from './rebuild-plan.ts';
import { rebuildCommand } from './recovery-advice.ts';

const RETRY_MS = 5_000;
/** A refusal may come after all events were read. */
const LONGEST_RETRY_MS = 60_000;
const LOG_EVERY_MS = 5_000;

export interface RecoveryOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly config: Pick<
    Config,
    'commandsTopic' | 'eventsTopic' | 'deadLettersTopic' | 'groupId' | 'databaseUrl'
  >;
  readonly log: Logger;
}

/**
 * Rebuilds a service's own database before the service goes on with it (AUTO_RECOVER).
 *
 * 1. Look: some lane stands below the group's committed offset, or what the events say where that is missing, or a rebuild is unfinished. Neither: done.
 *    A database that knows another log is left alone: the lanes refuse it, in words.
 * 2. Wait for the turn, look again (another instance may have done it), and rebuild: from what is there, if anything is.
 * 3. Refused (events are missing, another process uses the database …): say why, and try again, in the turn. Trouble, or the turn is
 *    lost: let the turn go, and begin at 1.
 *
 * A crash anywhere, and an abort: the next start finds the mark of the unfinished rebuild at 1 and goes on with it.
 *
 * A database that becomes older while the service runs, as after a failover that lost commits, ends
 * the process with an error (`bootstrap.ts`): the next start recovers it. What the process remembers
 * of its lanes may be wrong by then.
 */
export class Recovery {
  readonly #options: RecoveryOptions;
  readonly #answers: AnswerReader;
  #progress: string | null = null;
  #failure: string | null = null;
  #failures = 0;

  constructor(options: RecoveryOptions) {
    this.#options = options;
    this.#answers = new AnswerReader(options.broker, options.config, options.log);
  }

  /** What it does just now, with how far it has come, and why it could not before, one sentence each; empty: nothing. */
  problems(): readonly string[] {
    return [this.#progress, this.#failure].filter((problem) => problem !== null);
  }

  /**
   * Whether a start would rebuild the database now.
   * @throws {TroubleError} the log or the database cannot be reached
   */
  isNeeded(signal: AbortSignal): Promise<boolean> {
    return this.#isNeeded({ signal, onProgress: () => {} });
  }

  /** Resolves when the service can go on with its database, or the signal aborts. Never rejects, never gives up. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (!(await this.#isNeeded(this.#watch(signal)))) break;
        this.#progress = 'The database must be rebuilt: waiting for another instance that does it';
        await inTurn(this.#options.database, signal, (turn) => this.#untilRebuilt(turn));
      } catch (error) {
        await this.#fail(error, signal);
      }
    }
    this.#progress = null;
    this.#failure = null;
  }

  async #isNeeded(watch: Watch): Promise<boolean> {
    const { database, broker, config } = this.#options;
    if ((await readMark(database)) !== null) return true;
    const logId = await broker.logId(config.commandsTopic);
    const names = { group: config.groupId, commandsTopic: config.commandsTopic };
    const committed = await readGroupPositions(broker, names, this.#answers, watch);
    const positions = await readPositions(database, config.commandsTopic);
    if (positions.some((position) => position.logId !== null && position.logId !== logId))
      return false;
    const at = new Map(positions.map(({ partition, nextOffset }) => [partition, nextOffset]));
    return committed.some((offset, partition) => (at.get(partition) ?? 0) < (offset ?? 0));
  }

  /** Committed offsets that are missing are looked for in the events. */
  #watch(signal: AbortSignal): Watch {
    return {
      signal,
      onProgress: (text) => {
        this.#progress = `Committed offsets are missing: the service ${text}`;
      },
    };
  }

  async #untilRebuilt(signal: AbortSignal): Promise<void> {
    while (await this.#isNeeded(this.#watch(signal))) {
      try {
        await this.#rebuild(signal);
      } catch (error) {
        if (!(error instanceof ReplayRefusedError || error instanceof UnfoldableError)) throw error;
        await this.#fail(error, signal);
        signal.throwIfAborted();
      }
    }
  }

  async #rebuild(signal: AbortSignal): Promise<void> {
    const { database, broker, config, log } = this.#options;
    const mark = await readMark(database);
    const fromCopy = mark ? readPlan(mark.plan).fromCopy : !(await isEmpty(database));
    const plan = await planRebuild(
      broker,
      config,
      { until: null, fromCopy },
      this.#answers,
      this.#watch(signal),
    );
    const rebuild = await Rebuild.into(database, broker, plan);
    const total = countOffsets(rebuild.plan.ranges);
    let done = await rebuild.done();
    const startedMs = performance.now();
    let loggedMs = startedMs;
    const show = () => {
      this.#progress = `The database is being rebuilt from ${config.eventsTopic}: ${percent(done, total)} % of ${total} offsets`;
    };
    show();
    const how = mark
      ? 'going on with its unfinished rebuild'
      : fromCopy
        ? 'bringing it up to date'
        : 'building it anew';
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

  /** Says, once, why it does not go on, and waits. */
  async #fail(error: unknown, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.#failures += 1;
    this.#progress = null;
    const failure = `The database cannot be rebuilt: ${(error as Error).message}${await this.#wayOut(error)}`;
    const isExpected =
      error instanceof TroubleError ||
      error instanceof ReplayRefusedError ||
      error instanceof UnfoldableError;
    if (failure !== this.#failure)
      this.#options.log.error(isExpected ? {} : { err: error }, failure);
    this.#failure = failure;
    const afterMs = Math.min(LONGEST_RETRY_MS, RETRY_MS * 2 ** Math.min(this.#failures - 1, 10));
    await sleep(afterMs, undefined, { signal }).catch(() => {});
  }

  /** Skipping records is for an operator to decide: the refusal names the command. */
  async #wayOut(error: unknown): Promise<string> {
    if (!(error instanceof ForeignRecordError)) return '';
    const { database, config } = this.#options;
    const command = await rebuildCommand(database, config.databaseUrl);
    if (command === null) return '';
    return `. Look at it; to skip what others wrote, stop the service, then: ${command} --skip-foreign --execute`;
  }
}

/** 100 only when it is over: what was read is still to be folded. */
function percent(done: number, total: number): number {
  return Math.min(99, Math.floor((100 * done) / Math.max(1, total)));
}
