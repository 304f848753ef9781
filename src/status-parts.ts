import { hostname } from 'node:os';
import type { Database } from './adapters/database/database.ts';
import { countParked } from './adapters/database/lanes/parked-release.ts';
import type { LetterFollower } from './dead-letters/letter-follower.ts';
import { readinessProblems } from './entrypoints/http/readiness.ts';
import type { Foundation } from './foundation.ts';
import type { LaneParts } from './lane-parts.ts';
import { packageVersion } from './package-version.ts';
import { StatusBoard, type StatusSources } from './status/status-board.ts';
import type { Query } from './views/query.ts';

/** Makes the board that `GET /status` reads. */
export function createBoard(
  foundation: Foundation,
  { consumer, pauses, recovery, reports, watchdog }: LaneParts,
  parts: {
    readonly query: Query;
    readonly preparedDatabase: Pick<Database, 'read'>;
    readonly letters: LetterFollower;
    readonly problems: () => readonly string[];
  },
): StatusBoard {
  const { broker, config } = foundation;
  const { query, preparedDatabase, letters, problems } = parts;
  return new StatusBoard({
    ...aboutService(foundation),
    readiness: () =>
      readinessProblems({ query, broker, commandsTopic: config.commandsTopic, problems }),
    lanes: () => reports.now(),
    ranges: () => watchdog.ranges,
    pauses: () => pauses.all,
    members: () => consumer.members(),
    parked: async () => countParked(preparedDatabase),
    deadLetters: () => letters.openLetters(),
    recovery: () => recovery.state,
  });
}

/** Describes what never changes while the process lives. */
function aboutService({ config, database }: Foundation): Pick<StatusSources, 'service' | 'self'> {
  const { commandsTopic: commands, eventsTopic: events, deadLettersTopic: deadLetters } = config;
  const host = hostname();
  return {
    service: {
      version: packageVersion(),
      startedAt: new Date().toISOString(),
      broker: config.kafkaBrokers ? 'kafka' : 'embedded',
      database: database.dialect,
      topics: { commands, events, deadLetters },
    },
    self: { instance: config.instanceId ?? `${host}/${process.pid}`, host },
  };
}
