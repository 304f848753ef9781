import pino from 'pino';
import { readConfig } from '../config.ts';
import { HttpApi } from '../entrypoints/http/api.ts';
import type { OpenApiDocument } from '../entrypoints/http/openapi/described-api.ts';
import { Metrics } from '../entrypoints/metrics.ts';
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
    metrics: new Metrics(() => ({ working: 0, assigned: 0 })),
    problems: () => [],
    standby: () => null,
    doors: httpDoors,
    log: pino({ level: 'silent' }),
  });
  const document = await api.describe();
  await api.close();
  return document;
}
