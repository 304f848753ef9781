import { brokerErrors } from './adapters/broker/kafka/error-counts.ts';
import { dialectOf } from './adapters/database/connection/database-url.ts';
import { tlsOf } from './adapters/database/connection/tls-parameters.ts';
import type { Database } from './adapters/database/database.ts';
import { databaseErrors } from './adapters/database/error-counts.ts';
import { readBacklog } from './adapters/database/lanes/backlog.ts';
import type { Config } from './config.ts';
import type { LetterFollower } from './dead-letters/letter-follower.ts';
import type { CommandConsumer } from './entrypoints/command-consumer.ts';
import type { HttpApi } from './entrypoints/http/api.ts';
import type { LaneReports } from './entrypoints/lane-report.ts';
import type { MetricSources } from './entrypoints/metrics/metrics.ts';
import type { OpenLetters } from './entrypoints/metrics/open-letter-gauges.ts';
import type { CertificateFile } from './entrypoints/metrics/process-metrics.ts';

/** Collects from the parts of the service what the metrics show. */
export function metricSources(parts: {
  readonly config: Config;
  readonly database: Pick<Database, 'read'>;
  readonly consumer: CommandConsumer;
  readonly lanes: LaneReports;
  readonly letters: LetterFollower;
  readonly http: HttpApi;
  readonly problems: () => readonly string[];
}): MetricSources {
  const { config, database, consumer, lanes, letters, http, problems } = parts;
  return {
    lanes: () => lanes.now(),
    givenBackPartitions: () => consumer.givenBackPartitions,
    relayQueues: () => consumer.relayQueues(),
    awaitedPartitions: () => consumer.awaitedPartitions(),
    backlog: () => readBacklog(database),
    parkedCommandsLimit: config.parkingLimits.inAll,
    openLetters: () => openLettersOf(letters),
    problems,
    eventStreams: () => http.eventStreams,
    databaseErrors,
    brokerErrors,
    certificates: certificateFiles(config),
  };
}

/** Counts the open dead letters by their reasons. Null: the topic has not been read yet. */
export function openLettersOf(letters: LetterFollower): readonly OpenLetters[] | null {
  const open = letters.openLetters();
  if (open === null) return null;
  const oldestMs = new Map<string, number>();
  // The oldest letters come first, so the loop mostly ends soon.
  for (const { reason, failedAtMs, fate } of letters.index.letters) {
    if (oldestMs.size === letters.index.openByReason.size) break;
    if (fate === null && !oldestMs.has(reason)) oldestMs.set(reason, failedAtMs);
  }
  return [...open.byReason].map(([reason, count]) => {
    return { reason, count, oldestMs: oldestMs.get(reason) ?? null };
  });
}

/** Lists the files with certificates that the settings name. */
function certificateFiles({
  httpDoors,
  kafkaSecurity,
  databaseUrl,
}: Config): readonly CertificateFile[] {
  const postgres = dialectOf(databaseUrl) === 'postgresql' ? tlsOf(new URL(databaseUrl)) : null;
  const paths: Readonly<Record<CertificateFile['use'], string | null | undefined>> = {
    http: httpDoors.tls?.certFile,
    'kafka-client': kafkaSecurity?.tls?.certFile,
    'kafka-ca': kafkaSecurity?.tls?.caFile,
    'postgresql-client': postgres?.client?.cert,
    'postgresql-ca': postgres?.rootCert,
  };
  return Object.entries(paths).flatMap(([use, path]) =>
    path ? [{ use: use as CertificateFile['use'], path }] : [],
  );
}
