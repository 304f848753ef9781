import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { checkHistory } from '../support/check-history.ts';
import { eventually } from '../support/eventually.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { plainKafka } from '../support/topic-reader.ts';

const KILLS = 20;
const COMMANDS_PER_KILL = 1_000;
const SKUS = 50;

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('the service on real Kafka, killed with SIGKILL while commands flow', () => {
  const run = crypto.randomUUID().slice(0, 8);
  const topics = { commands: `commands-${run}`, events: `events-${run}`, deadLetters: `dead-letters-${run}` };
  const kafka = plainKafka(brokers ?? '');
  const producer = kafka.producer({ idempotent: true });
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    await producer.connect();
  });

  afterAll(async () => {
    await producer.disconnect();
    await rm(directory, { recursive: true, force: true });
  });

  it('answers every command once, as if nothing had happened, and its database is what the answers say', async () => {
    const environment = {
      KAFKA_BROKERS: brokers ?? '',
      KAFKA_GROUP_ID: `group-${run}`,
      COMMANDS_TOPIC: topics.commands,
      EVENTS_TOPIC: topics.events,
      DEAD_LETTERS_TOPIC: topics.deadLetters,
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
    };
    /** What the services said of what they found when they opened their lanes. */
    const openings: string[] = [];
    for (let kill = 0; kill < KILLS; kill += 1) {
      const service = await ServiceProcess.start(environment, directory);
      await workingLanes(service.url, 4);
      const sending = send(commandsOfRound(kill));
      await sleep(Math.random() * 400);
      await service.stop('SIGKILL');
      openings.push(...service.output.filter((line) => line.includes('left behind')));
      await sending;
    }
    await using service = await ServiceProcess.start(environment, directory);
    await eventually(async () => expect(await lag()).toBe(0), { withinMs: 120_000 });
    expect(await service.stop()).toBe(0);
    const history = await readHistory(kafka, topics, `group-${run}`, environment.DATABASE_URL);
    expect(history.commands).toHaveLength(KILLS * COMMANDS_PER_KILL);
    expect(checkHistory(history), `lanes opened:\n${openings.join('\n')}`).toEqual([]);
  }, 900_000);

  /** Commands of every kind, keyed by sku. The first of each round bring stock; some were sent before, in this round or an earlier one. */
  function commandsOfRound(round: number): { sku: string; body: object }[] {
    return Array.from({ length: COMMANDS_PER_KILL }, (_, index) => {
      const sku = `SKU-${index % SKUS}`;
      const id = `${run}-${round}-${index}`;
      const earlier = `order-${Math.max(0, round - 1)}-${index - SKUS}`;
      if (index < SKUS) return { sku, body: { id, type: 'CreateBatch', reference: `${sku}-${round}`, sku, quantity: 40, eta: null } };
      if (index % 23 === 0) return { sku, body: { id, type: 'DeallocateOrder', orderid: earlier, sku } };
      if (index % 29 === 0) return { sku, body: { id, type: 'ChangeBatchQuantity', reference: `${sku}-${round}`, quantity: index % 60 } };
      if (index % 31 === 0) {
        const lines = [0, 1, 2].map((line) => ({ sku: `SKU-${(index + 7 * line) % SKUS}`, qty: 1 + line }));
        return { sku, body: { id, type: 'AllocateOrder', orderid: `order-${round}-${index}`, lines } };
      }
      const repeated = index % 19 === 0 ? `${run}-${Math.max(0, round - (index % 2))}-${index - SKUS}` : id;
      return { sku, body: { id: repeated, type: 'AllocateOrder', orderid: `order-${round}-${index}`, sku, qty: 1 + (index % 3) } };
    });
  }

  async function send(commands: { sku: string; body: object }[]): Promise<void> {
    for (let start = 0; start < commands.length; start += 50) {
      const messages = commands.slice(start, start + 50).map(({ sku, body }) => ({ key: sku, value: JSON.stringify(body) }));
      await producer.send({ topic: topics.commands, messages });
    }
  }

  async function lag(): Promise<number> {
    const admin = kafka.admin();
    await admin.connect();
    const ends = await admin.fetchTopicOffsets(topics.commands);
    const [committed] = await admin.fetchOffsets({ groupId: `group-${run}`, topics: [topics.commands] });
    await admin.disconnect();
    return ends.reduce((sum, { partition, high }) => {
      const offset = Number(committed?.partitions.find((each) => each.partition === partition)?.offset ?? -1);
      return sum + Number(high) - Math.max(0, offset);
    }, 0);
  }
});

async function workingLanes(url: string, count: number): Promise<void> {
  await eventually(
    async () => {
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).toContain(`allocation_lanes{state="working"} ${count}`);
    },
    { withinMs: 60_000 },
  );
}
