import pino from 'pino';
import { readConfig } from '../config.ts';
import { LetterFollower } from '../dead-letters/letter-follower.ts';
import { HttpApi } from '../entrypoints/http/api.ts';
import type { OpenApiDocument } from '../entrypoints/http/openapi/described-api.ts';
import { Metrics } from '../entrypoints/metrics/metrics.ts';
import { Jobs } from '../jobs/jobs.ts';
import type { Broker } from '../service-layer/broker.ts';

/** Describes the HTTP API with its default settings in OpenAPI. Opens no connection. */
export async function openApi(): Promise<OpenApiDocument> {
  const { commandsTopic, eventsTopic, deadLettersTopic, groupId, httpDoors } = readConfig({});
  const api = new HttpApi({
    broker: {} as Broker,
    commandsTopic,
    eventsTopic,
    deadLettersTopic,
    group: groupId,
    query: async () => [],
    metrics: new Metrics(),
    problems: () => [],
    standby: () => null,
    notes: () => [],
    status: () => Promise.reject(new Error('The description asks for no status')),
    history: () => ({ stepSeconds: 5, points: [] }),
    lanes: { pause: async () => null, resume: async () => false },
    auditTopic: null,
    letters: new LetterFollower({} as Broker, deadLettersTopic),
    jobs: new Jobs(),
    recovery: {
      verify: () => Promise.reject(new Error('The description verifies nothing')),
      plan: () => Promise.reject(new Error('The description plans nothing')),
    },
    auditOf: () => {
      throw new Error('The description needs no audit');
    },
    release: async () => {},
    doors: httpDoors,
    log: pino({ level: 'silent' }),
  });
  const document = await api.describe();
  await api.close();
  return document;
}
