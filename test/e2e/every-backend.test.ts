// @module-tag db
// @module-tag kafka

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

const brokers = inject('kafkaBrokers');
const postgres = inject('postgresUrl');

describe.each([
  ['the embedded log', false],
  ['Kafka', true],
])('the service on %s', (_, onKafka) => {
  describe.skipIf(onKafka && !brokers)('with each database', () => {
    it('answers commands with SQLite', async () => answersCommands(onKafka, null), 60_000);

    it.skipIf(!postgres)(
      'answers commands with PostgreSQL',
      async () => {
        const { url, remove } = await postgresDatabase();
        await answersCommands(onKafka, url);
        await remove();
      },
      60_000,
    );
  });
});

/**
 * Starts the service as its users do, sends one command after the other, and reads events and views
 * over HTTP. Then stops the service with SIGTERM.
 */
async function answersCommands(onKafka: boolean, databaseUrl: string | null): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-'));
  const run = crypto.randomUUID().slice(0, 8);
  const topics = {
    COMMANDS_TOPIC: `commands-${run}`,
    EVENTS_TOPIC: `events-${run}`,
    DEAD_LETTERS_TOPIC: `dead-letters-${run}`,
  };
  await using service = await ServiceProcess.start(
    {
      ...topics,
      KAFKA_GROUP_ID: `group-${run}`,
      ...(onKafka ? { KAFKA_BROKERS: brokers ?? '' } : {}),
      ...(databaseUrl ? { DATABASE_URL: databaseUrl } : {}),
    },
    directory,
  );
  await eventually(async () => expect((await fetch(`${service.url}/readyz`)).status).toBe(200), {
    withinMs: 30_000,
  });
  const stream = await fetch(`${service.url}/events`);
  const events = eventsOf(stream);
  const answerTo = async (command: object) => {
    const body = JSON.stringify(command);
    await fetch(`${service.url}/commands`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    const { value } = await events.next();
    const all = value?.type === 'CompositeDomainEvent' ? (value.data.events ?? []) : [value];
    return all.map((event) => {
      const about = event?.data.batchref ?? event?.data.reason ?? event?.data.reference ?? '';
      return `${event?.type} ${about}`.trim();
    });
  };

  expect(
    await answerTo({ type: 'CreateBatch', reference: 'here', sku: 'LAMP', quantity: 10 }),
  ).toEqual(['BatchCreated here']);
  expect(
    await answerTo({
      type: 'CreateBatch',
      reference: 'due',
      sku: 'LAMP',
      quantity: 4,
      eta: '2027-01-01',
    }),
  ).toEqual(['BatchCreated due']);
  expect(
    await answerTo({ type: 'CreateBatch', reference: 'here', sku: 'LAMP', quantity: 11 }),
  ).toEqual(['CommandRejected batch-differs']);
  expect(await answerTo({ type: 'AllocateOrder', orderid: 'o1', sku: 'LAMP', qty: 6 })).toEqual([
    'Allocated here',
  ]);
  const two = {
    type: 'AllocateOrder',
    orderid: 'o2',
    lines: [
      { sku: 'LAMP', qty: 4 },
      { sku: 'SOFA', qty: 1 },
    ],
  };
  expect(await answerTo(two)).toEqual(['Allocated here', 'CommandRejected unknown-sku']);
  expect(await answerTo({ type: 'AllocateOrder', orderid: 'o1', sku: 'LAMP', qty: 6 })).toEqual([
    'AlreadyAllocated here',
  ]);
  expect(await answerTo({ type: 'AllocateOrder', orderid: 'o3', sku: 'LAMP', qty: 5 })).toEqual([
    'OutOfStock',
  ]);
  expect(await answerTo({ type: 'ChangeBatchQuantity', reference: 'here', quantity: 3 })).toEqual([
    'BatchQuantityChanged here',
    'Deallocated here',
    'Deallocated here',
    'Allocated due',
    'OutOfStock',
  ]);
  expect(await answerTo({ type: 'DeallocateOrder', orderid: 'o2' })).toEqual(['Deallocated due']);
  expect(await answerTo({ type: 'DeallocateOrder', orderid: 'o2' })).toEqual([
    'CommandRejected unknown-order',
  ]);
  expect(await (await fetch(`${service.url}/products/LAMP`)).json()).toMatchObject({
    version: 11,
    batches: [
      { reference: 'here', availableQuantity: 3 },
      { reference: 'due', availableQuantity: 4 },
    ],
  });

  await events.return(undefined);
  expect(await service.stop()).toBe(0);
  await rm(directory, { recursive: true });
}

interface StreamedEvent {
  readonly type: string;
  readonly data: {
    readonly batchref?: string;
    readonly reason?: string;
    readonly reference?: string;
    readonly events?: readonly StreamedEvent[];
  };
}

async function* eventsOf(stream: Response): AsyncGenerator<StreamedEvent, void> {
  let text = '';
  for await (const chunk of stream.body ?? []) {
    text += Buffer.from(chunk).toString();
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, data] = /^data: (.*)$/m.exec(text.slice(0, end)) ?? [];
      text = text.slice(end + 2);
      if (data) yield JSON.parse(data);
    }
  }
}
