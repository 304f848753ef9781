import type { Database } from './adapters/database/database.ts';
import { type Release, releaseParked } from './adapters/database/lanes/parked-release.ts';
import { Audit } from './audit/audit.ts';
import { LetterFollower } from './dead-letters/letter-follower.ts';
import { HttpApi, type HttpApiOptions } from './entrypoints/http/api.ts';
import type { StartStep } from './entrypoints/start-step.ts';
import type { Foundation } from './foundation.ts';
import type { JobControl } from './jobs/job.ts';
import { Jobs } from './jobs/jobs.ts';
import type { LaneParts } from './lane-parts.ts';
import { LaneControl } from './lanes/lane-control.ts';
import { metricSources } from './metric-sources.ts';
import { OnlineRecovery } from './replay/online-recovery.ts';
import { describePause } from './service-layer/lane-pause.ts';
import { RecentHistory } from './status/recent-history.ts';
import { createBoard } from './status-parts.ts';
import type { Query } from './views/query.ts';

/** The HTTP API, and the parts that only the API uses. */
export interface HttpParts {
  readonly http: HttpApi;
  readonly history: RecentHistory;
  readonly jobs: Jobs;
  readonly letters: LetterFollower;
}

/**
 * Creates the HTTP API, and tells the metrics where to read. Nothing listens yet.
 *
 * @param problems lists what keeps the service from answering commands
 */
export function createHttpParts(
  foundation: Foundation,
  lanes: LaneParts,
  problems: () => readonly string[],
): HttpParts {
  const { config, log, database, opening, broker, writeAudit } = foundation;
  const { consumer, metrics, pauses, reports } = lanes;
  const preparedDatabase = whenPrepared(database, opening);
  const query: Query = (statement, parameters) => preparedDatabase.read(statement, parameters);
  const letters = new LetterFollower(broker, config.deadLettersTopic);
  const jobs = new Jobs();
  const auditOf = (by: string) => new Audit({ by, from: 'http', log, write: writeAudit });
  const history = new RecentHistory(() => reports.now());
  const board = createBoard(foundation, lanes, { query, preparedDatabase, letters, problems });
  const http = createHttpApi(foundation, {
    query,
    metrics,
    problems,
    standby: () => consumer.standby,
    notes: () => [...pauses.all].map(([partition, pause]) => describePause(partition, pause)),
    status: () => board.now(),
    history: () => history.history,
    lanes: new LaneControl({
      database: preparedDatabase,
      topic: config.commandsTopic,
      audit: auditOf,
      heed: () => pauses.refresh(),
    }),
    letters,
    jobs,
    recovery: examinationOf(foundation),
    auditOf,
    release: releaseOf(foundation),
  });
  const parts = { consumer, lanes: reports, letters, http, problems };
  metrics.watch(metricSources({ config, database: preparedDatabase, ...parts }));
  return { http, history, jobs, letters };
}

type PreparedDatabase = Pick<Database, 'read' | 'transaction'>;

/** Refuses every statement until the step has prepared the database: tables may be missing. */
function whenPrepared(database: Database, opening: StartStep): PreparedDatabase {
  return {
    async read(statement, parameters) {
      opening.mustBeDone();
      return database.read(statement, parameters);
    },
    async transaction(work) {
      opening.mustBeDone();
      return database.transaction(work);
    },
  };
}

/** Lets operators examine the database while the service runs. */
function examinationOf({ database, broker, config, opening }: Foundation) {
  const mustBePrepared = () => opening.mustBeDone();
  const examination = new OnlineRecovery({ database, broker, config, mustBePrepared });
  return {
    verify: (job: JobControl) => examination.verify(job),
    plan: () => examination.plan(),
  };
}

/** Tells the database what an operator has decided about parked commands. */
function releaseOf({ database, log, opening }: Foundation) {
  return async (release: Release): Promise<void> => {
    opening.mustBeDone();
    if (await releaseParked(database, release)) return;
    log.warn(
      'The database knows none of the commands that an operator redrives or discards: ' +
        'check that DATABASE_URL is the database in which they are parked',
    );
  };
}

function createHttpApi(
  { config, log, broker, tracing }: Foundation,
  parts: Omit<
    HttpApiOptions,
    | 'broker'
    | 'commandsTopic'
    | 'eventsTopic'
    | 'deadLettersTopic'
    | 'auditTopic'
    | 'group'
    | 'doors'
    | 'log'
  >,
): HttpApi {
  return new HttpApi({
    ...parts,
    broker,
    commandsTopic: config.commandsTopic,
    eventsTopic: config.eventsTopic,
    deadLettersTopic: config.deadLettersTopic,
    auditTopic: config.auditTopic,
    group: config.groupId,
    doors: config.httpDoors,
    ...(tracing && { tracing }),
    log,
  });
}
