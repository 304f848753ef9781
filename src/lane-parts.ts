import { readPauses } from './adapters/database/lanes/pause-rows.ts';
import { SqlLaneStore } from './adapters/database/lanes/sql-lane-store.ts';
import { LogNotifications } from './adapters/log-notifications.ts';
import { Audit } from './audit/audit.ts';
import { localUser } from './audit/local-user.ts';
import type { Config } from './config.ts';
import { CommandConsumer } from './entrypoints/command-consumer.ts';
import { DatabaseAge } from './entrypoints/database-age.ts';
import { LanePauses } from './entrypoints/lane-pauses.ts';
import { LaneReports } from './entrypoints/lane-report.ts';
import { Metrics } from './entrypoints/metrics/metrics.ts';
import { Watchdog } from './entrypoints/watchdog.ts';
import type { Foundation, Overrides } from './foundation.ts';
import { RepeatedWarnings } from './repeated-warnings.ts';
import { AutoRecovery } from './replay/auto-recovery.ts';
import { recoveryAdvice } from './replay/recovery-advice.ts';
import { MessageBus } from './service-layer/message-bus.ts';

/** The parts that answer commands, and the parts that watch the lanes and recover the database. */
export type LaneParts = ReturnType<typeof createLaneParts>;

/**
 * Creates the parts that answer commands. None of them works yet.
 * @param closing aborts when the service closes
 */
export function createLaneParts(
  foundation: Foundation,
  overrides: Overrides,
  closing: AbortSignal,
) {
  const { config, log, database, writeAudit } = foundation;
  const audit = new Audit({ by: localUser(), from: 'service', log, write: writeAudit });
  const recovery = new AutoRecovery({ ...foundation, audit });
  const { mustRecover, onOlder } = endToRecover(config, recovery, closing);
  const pauses = new LanePauses({ read: () => readPauses(database, config.commandsTopic), log });
  const { consumer, metrics, warnings } = createConsumer(foundation, overrides, onOlder, pauses);
  const watchdog = createWatchdog(foundation, consumer);
  const age = new DatabaseAge(consumer);
  const reports = new LaneReports(() => consumer.watchedLanes(), watchdog);
  return { recovery, mustRecover, pauses, consumer, metrics, warnings, watchdog, age, reports };
}

/**
 * Decides whether the process must end because its database has become older than the topics.
 *
 * @returns `mustRecover`: resolves if the next start rebuilds the database
 */
function endToRecover(config: Config, recovery: AutoRecovery, signal: AbortSignal) {
  const { promise: mustRecover, resolve } = Promise.withResolvers<Error>();
  const decide = async (cause: Error) => {
    // If the next start did not rebuild the database, the process would end again and again.
    if (!config.autoRecover || !(await recovery.isNeeded(signal).catch(() => false))) return;
    const message =
      'The database has become older than the topics. Start the service again: ' +
      'it then rebuilds the database (AUTO_RECOVER)';
    resolve(new Error(message, { cause }));
  };
  return { mustRecover, onOlder: (error: Error) => void decide(error) };
}

function createConsumer(
  { config, log, database, broker, tracing }: Foundation,
  overrides: Overrides,
  onOlder: (error: Error) => void,
  pauses: LanePauses,
) {
  const warnings = new RepeatedWarnings(log);
  const notifications = overrides.notifications ?? new LogNotifications(warnings);
  const metrics = new Metrics();
  const consumer = new CommandConsumer(config.commandsTopic, {
    broker,
    store: new SqlLaneStore(database, (error) =>
      log.error({ err: error }, 'Work after a commit failed. The commit stands'),
    ),
    group: config.groupId,
    recoveryAdvice: () => recoveryAdvice(database, config),
    onOlder,
    ...(tracing && { tracing }),
    pauses,
    warnings,
    log,
    answerContext: {
      bus: overrides.bus ?? new MessageBus({ notifications }),
      eventsTopic: config.eventsTopic,
      deadLettersTopic: config.deadLettersTopic,
      parkingLimits: config.parkingLimits,
      strictCommands: config.strictCommands,
      clock: overrides.clock ?? (() => new Date()),
      metrics,
    },
  });
  return { consumer, metrics, warnings };
}

function createWatchdog({ config, log, broker }: Foundation, consumer: CommandConsumer): Watchdog {
  return new Watchdog({
    broker,
    topic: config.commandsTopic,
    group: config.groupId,
    lanes: () => consumer.watchedLanes(),
    log,
  });
}
