import type { Logger } from 'pino';
import type { Config } from './config.ts';
import { openExamination } from './connections.ts';
import { neededTopics, toolOptions } from './doctor/needed-topics.ts';
import { warnOfTopics } from './doctor/topic-warnings.ts';
import type { HttpApi } from './entrypoints/http/api.ts';
import { StartStep } from './entrypoints/start-step.ts';
import type { Foundation } from './foundation.ts';
import { allTopicSettings } from './topic-settings.ts';

/** Waits for the topics, and creates the missing ones if KAFKA_CREATE_TOPICS allows it. */
export function topicsStep({ broker, config, log }: Foundation): StartStep {
  const topics = allTopicSettings(config);
  return new StartStep({
    beginning: `Waiting for the broker (${config.kafkaBrokers?.join(',') ?? 'embedded'})`,
    act: () => broker.ensureTopics(topics, config.createTopics),
    log,
  });
}

/**
 * Warns of risky settings of the topics, while the start goes on. Never rejects. A slow answer ends
 * its connection, so the questions have connections of their own, and lanes keep theirs.
 */
export async function examineTopicsAtStart(
  { config, log }: Foundation,
  signal: AbortSignal,
): Promise<void> {
  const kafka = openExamination(config, log);
  if (!kafka) return;
  const close = () => kafka.close();
  signal.addEventListener('abort', close, { once: true });
  const topics = neededTopics(config, allTopicSettings(config));
  await warnOfTopics(kafka, topics, toolOptions(config), log);
  signal.removeEventListener('abort', close);
  close();
}

/** Logs where the HTTP API listens, and warns of an API that is open to everybody. */
export function sayWhere(http: HttpApi, { httpDoors, httpHost }: Config, log: Logger): void {
  const where = `${http.url}${http.isOnAllInterfaces ? ', and on all interfaces' : ''}`;
  log.info({ url: http.url }, `The HTTP API listens on ${where}`);
  if (http.probesUrl !== http.url)
    log.info({ url: http.probesUrl }, `Probes and metrics listen on ${http.probesUrl}`);
  if (httpDoors.isOpen)
    log.warn(`HTTP_AUTH=none: everybody who reaches ${httpHost} may use the HTTP API`);
}
