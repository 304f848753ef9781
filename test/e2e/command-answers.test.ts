// @module-tag db
// @module-tag kafka
// @module-tag slow

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { eventually } from '../support/eventually.ts';
import { ServiceProcess } from '../support/service-process.ts';

const brokers = inject('kafkaBrokers');
/** How many clients send one command after the other, and how many commands each sends. */
const CLIENTS = 4;
const COMMANDS_PER_CLIENT = 60;

interface Status {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly status: string;
  readonly events: readonly { readonly id: string; readonly data: { readonly orderid: string } }[];
}

describe.skipIf(!brokers || !inject('postgresUrl'))(
  'clients that wait for their answers at two instances',
  () => {
    let directory: string;
    let flow: CommandFlow;
    let place: Awaited<ReturnType<typeof postgresDatabase>>;
    const instances: ServiceProcess[] = [];

    beforeEach(async () => {
      directory = await mkdtemp(join(tmpdir(), 'allocation-'));
      flow = new CommandFlow(brokers ?? '');
      await flow.connect();
      place = await postgresDatabase();
    });

    afterEach(async () => {
      for (const instance of instances.splice(0)) await instance.stop('SIGKILL');
      await flow.disconnect();
      await place.remove();
      await rm(directory, { recursive: true, force: true });
    });

    async function start(): Promise<ServiceProcess> {
      const environment = flow.environment(brokers ?? '', place.url);
      const instance = await ServiceProcess.start(environment, directory);
      instances.push(instance);
      return instance;
    }

    /** Sends the order at any instance until one has its answer, under the same id. */
    async function order(orderid: string): Promise<Status> {
      const command = { type: 'AllocateOrder', id: orderid, orderid, sku: 'SKU-0', qty: 1 };
      for (let turn = 0; ; turn += 1) {
        const { url } = instances[turn % instances.length] as ServiceProcess;
        const answer = await fetch(`${url}/commands?wait=5s`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(command),
        }).catch(() => null);
        if (answer?.status === 200) return (await answer.json()) as Status;
      }
    }

    const ask = async ({ url }: ServiceProcess, path: string): Promise<Status> =>
      (await (await fetch(`${url}/commands/${path}`)).json()) as Status;

    it('each get the one answer to their command, though an instance is killed', async () => {
      const first = await start();
      const second = await start();
      await flow.bringStock();
      const answers = new Map<string, Status>();
      const client = async (name: number) => {
        for (let count = 0; count < COMMANDS_PER_CLIENT; count += 1) {
          const orderid = `order-${name}-${count}`;
          answers.set(orderid, await order(orderid));
          if (name === 0 && count === COMMANDS_PER_CLIENT / 2) {
            instances.shift();
            await first.stop('SIGKILL');
          }
        }
      };
      await Promise.all(Array.from({ length: CLIENTS }, (_, name) => client(name)));

      expect(answers.size).toBe(CLIENTS * COMMANDS_PER_CLIENT);
      for (const [orderid, { events }] of answers)
        expect(events).toMatchObject([{ data: { orderid } }]);
      const ids = [...answers.values()].flatMap(({ events }) => events.map(({ id }) => id));
      expect(new Set(ids).size).toBe(ids.length);

      const third = await start();
      for (const [orderid, { topic, partition, offset, events }] of answers) {
        expect((await ask(third, orderid)).events).toEqual(events);
        expect((await ask(second, `${topic}/${partition}/${offset}`)).events).toEqual(events);
      }
      await eventually(async () => expect(await flow.lag()).toBe(0));
    }, 300_000);
  },
);
