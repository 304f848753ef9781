import { describe, expect, it } from 'vitest';
import type { TopicState } from '../../../src/adapters/broker/kafka/examination.ts';
import { warnOfTopics } from '../../../src/doctor/topic-warnings.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { captureLog } from '../../support/fake-kafka/secure-edge.ts';

const TOPICS = [
  { name: 'c', role: 'commands', maxMessageBytes: 1_000 },
  { name: 'e', role: 'events', maxMessageBytes: 1_000 },
] as const;
const WARN = 40;

/** Warns of the topics. @returns the log, parsed */
async function warn(topic: (name: string) => Promise<TopicState | null>) {
  const output = captureLog();
  await warnOfTopics({ topic }, TOPICS, '--bootstrap-server kafka:9092', output.log);
  const lines = output.text().split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line) as { level: number; topic?: string; msg: string });
}

const state = (settings: Record<string, string> | null): TopicState => ({
  nodes: 1,
  replicas: 1,
  settings: settings && new Map(Object.entries(settings)),
});

describe('a start', () => {
  it('warns once of each setting that risks something', async () => {
    const lines = await warn(async (name) =>
      state({ 'retention.ms': '604800000', 'max.message.bytes': name === 'c' ? '1' : '1000' }),
    );
    expect(lines).toMatchObject([
      { level: WARN, topic: 'c', msg: expect.stringContaining('max.message.bytes=1, but') },
      { level: WARN, topic: 'e', msg: expect.stringContaining('retention.ms=604800000') },
    ]);
    for (const { msg } of lines) expect(msg).toMatch(/\. Risk: .+\. Remedy: kafka-configs\.sh /);
  });

  it('warns of a single replica on several brokers, and not on one broker', async () => {
    const lines = await warn(async (name) => ({
      ...state({ 'retention.ms': '-1', 'max.message.bytes': '1000' }),
      nodes: name === 'c' ? 3 : 1,
    }));
    expect(lines).toMatchObject([
      { topic: 'c', msg: expect.stringMatching(/replicas: 1, where 3 .*Remedy: plan 3 replicas/) },
    ]);
  });

  it.each([
    ['settings that it must not read', async () => state(null)],
    ['a topic that is gone', async () => null],
    ['a Kafka that does not answer', () => Promise.reject(new TroubleError('no answer'))],
  ])('does not warn, and goes on, because of %s', async (_, topic) => {
    const lines = await warn(topic);
    expect(lines.filter(({ level }) => level >= WARN)).toEqual([]);
  });
});
