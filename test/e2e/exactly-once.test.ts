import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { productView } from '../../src/views.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';
import { plainKafka, readTopic } from '../support/topic-reader.ts';

const KILLS = 20;
const COMMANDS_PER_KILL = 1_000;
const SKUS = 50;

interface PublishedEvent {
  /** `partition/offset` of its record. */
  readonly place: string;
  readonly id: string;
  readonly type: string;
  readonly causationid: string;
  readonly sequence: number | null;
  readonly data: {
    readonly sku: string;
    readonly orderid: string;
    readonly qty: number;
    readonly batchref: string;
    readonly quantity: number;
  };
}

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('the service on real Kafka, killed with SIGKILL while commands flow', () => {
  const run = crypto.randomUUID().slice(0, 8);
  const topics = { commands: `commands-${run}`, events: `events-${run}`, deadLetters: `dead-letters-${run}` };
  const published: string[] = [];
  let directory: string;
  let environment: Record<string, string>;
  let events: readonly PublishedEvent[];
  /** What the services said of what they found when they opened their lanes. */
  const openings: string[] = [];
  const kafka = plainKafka(brokers ?? '');
  const producer = kafka.producer({ idempotent: true });

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    environment = {
      KAFKA_BROKERS: brokers ?? '',
      KAFKA_GROUP_ID: `group-${run}`,
      COMMANDS_TOPIC: topics.commands,
      EVENTS_TOPIC: topics.events,
      DEAD_LETTERS_TOPIC: topics.deadLetters,
      DATABASE_URL: `sqlite:///${join(directory, 'allocation.db')}`,
    };
    await producer.connect();
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
    events = (await readTopic(kafka, topics.events)).flatMap(({ partition, offset, headers, value }) =>
      unfold(headers, JSON.parse(String(value))).map((event) => ({ ...event, place: `${partition}/${offset}` })),
    );
  }, 900_000);

  afterAll(async () => {
    await producer.disconnect();
    await rm(directory, { recursive: true, force: true });
  });

  it('every command is answered, and none twice', () => {
    // An event of a composite has the composite's id and its number: `topic/partition/offset/2`.
    const answers = Map.groupBy(events, ({ causationid }) => causationid);
    const answerIds = ([, parts]: [string, PublishedEvent[]]) => new Set(parts.map(({ id }) => id.split('/').slice(0, 3).join('/')));
    expect(published.filter((id) => !answers.has(id))).toEqual([]);
    const places = Map.groupBy(events, ({ id }) => id);
    const repeated = [...places].filter(([, of]) => of.length > 1).map(([id, of]) => `${id} at ${of.map(({ place }) => place)}`);
    expect(repeated, `lanes opened:\n${openings.join('\n')}`).toEqual([]);
    expect([...answers].filter((answer) => answerIds(answer).size !== 1)).toEqual([]);
    expect(answers.size).toBe(published.length);
  });

  it('no command went to the dead letters', async () => {
    expect(await readTopic(kafka, topics.deadLetters)).toEqual([]);
  });

  it('ce_sequence counts 1, 2, 3, … for every sku, without a gap or a repeat', () => {
    for (const [sku, ofSku] of bySku(events)) {
      const sequences = ofSku.flatMap(({ sequence }) => sequence ?? []);
      expect(sequences, sku).toEqual(sequences.map((_, index) => index + 1));
    }
  });

  it('the database is what the events add up to', async () => {
    const database = await Database.open(environment.DATABASE_URL as string);
    const query = database.query.bind(database);
    for (const [sku, ofSku] of bySku(events)) {
      const view = await productView(sku, query);
      const stock = new Map<string, { quantity: number; allocated: number }>();
      for (const { type, data } of ofSku) {
        const batch = stock.get(data.batchref);
        if (type === 'BatchCreated')
          stock.set((data as unknown as { reference: string }).reference, { quantity: data.quantity, allocated: 0 });
        if (type === 'Allocated' && batch) batch.allocated += data.qty;
        if (type === 'Deallocated' && batch) batch.allocated -= data.qty;
      }
      const found = new Map(
        view?.batches.map(({ reference, quantity, availableQuantity }) => [
          reference,
          { quantity, allocated: quantity - availableQuantity },
        ]),
      );
      expect(found, sku).toEqual(stock);
      expect(view?.version).toBe(ofSku.flatMap(({ sequence }) => sequence ?? []).at(-1));
      expect([...stock.values()].filter(({ quantity, allocated }) => allocated > quantity)).toEqual([]);
    }
    await database.close();
  });

  /** Commands of every kind, each with its own id, keyed by sku. The first round creates the stock. */
  function commandsOfRound(round: number): { id: string; sku: string; body: object }[] {
    return Array.from({ length: COMMANDS_PER_KILL }, (_, index) => {
      const sku = `SKU-${index % SKUS}`;
      const id = `${run}-${round}-${index}`;
      if (index < SKUS) return { id, sku, body: { type: 'CreateBatch', reference: `${sku}-${round}`, sku, quantity: 40, eta: null } };
      if (index % 23 === 0) return { id, sku, body: { type: 'DeallocateOrder', orderid: `order-${round}-${index - SKUS}`, sku } };
      return { id, sku, body: { type: 'AllocateOrder', orderid: `order-${round}-${index}`, sku, qty: 1 + (index % 3) } };
    });
  }

  async function send(commands: { id: string; sku: string; body: object }[]): Promise<void> {
    for (let start = 0; start < commands.length; start += 50) {
      const messages = commands.slice(start, start + 50).map(({ id, sku, body }) => ({ key: sku, value: JSON.stringify({ id, ...body }) }));
      await producer.send({ topic: topics.commands, messages });
    }
    published.push(...commands.map(({ id }) => id));
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

function unfold(
  headers: Readonly<Record<string, string>>,
  body: PublishedEvent['data'] & { events?: Record<string, unknown>[] },
): Omit<PublishedEvent, 'place'>[] {
  if (headers.ce_type === 'CompositeDomainEvent') {
    return (body.events ?? []).map(
      (event) => ({ ...event, sequence: event.sequence ? Number(event.sequence) : null }) as Omit<PublishedEvent, 'place'>,
    );
  }
  const { ce_id = '', ce_type = '', ce_causationid = '', ce_sequence } = headers;
  return [{ id: ce_id, type: ce_type, causationid: ce_causationid, sequence: ce_sequence ? Number(ce_sequence) : null, data: body }];
}

function bySku(events: readonly PublishedEvent[]): Map<string, PublishedEvent[]> {
  const skus = Map.groupBy(events, ({ data }) => data.sku);
  for (const ofSku of skus.values()) ofSku.sort((a, b) => (a.sequence ?? 0) - (b.sequence ?? 0));
  return skus;
}
