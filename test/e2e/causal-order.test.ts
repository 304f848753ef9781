// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Partitioners } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import {
  type Accept,
  CausalPairs,
  NONE_WRONG,
  type PlainCommand,
  type WrongCounts,
} from '../support/causal-pairs.ts';
import { runCli } from '../support/cli.ts';
import { CommandFlow, type Flow } from '../support/command-flow.ts';
import { postgresDatabase } from '../support/databases.ts';
import { EmbeddedFlow } from '../support/embedded-flow.ts';
import { eventually } from '../support/eventually.ts';
import { sharedOut, terminated } from '../support/instances.ts';
import { stockTables } from '../support/read-history.ts';
import { ServiceProcess, stopped } from '../support/service-process.ts';

/** How many pairs of commands each experiment sends. */
const PAIRS = process.env.FAULTS === 'all' ? 10_000 : 150;
/** With any keys, lanes wait for each other: some ten milliseconds for each pair. */
const PATIENCE_MS = 60_000 + 200 * PAIRS;
const STEADY_COMMANDS = 50;
const TEST_TIMEOUT_MS = 3_600_000;

/** A running service, and the ways to send commands to it. */
interface Deployment {
  readonly flow: Flow;
  readonly databaseUrl: string;
  readonly environment: Record<string, string>;
  readonly directory: string;
  readonly urls: readonly string[];
  /** Sends one command with any key to the log itself, without the service's HTTP. */
  readonly produce: Accept;
}

/** Sends the pairs while other commands flow. @returns how many pairs came out wrong */
async function experiment(
  { flow, databaseUrl, ...deployment }: Deployment,
  name: string,
  send: (pairs: CausalPairs, deployment: Omit<Deployment, 'flow' | 'databaseUrl'>) => Promise<void>,
): Promise<WrongCounts> {
  const pairs = new CausalPairs(`${flow.run}-${name}`, PAIRS);
  for (const command of pairs.stock()) await post(deployment.urls)(command, 0);
  const isIdle = async () => expect(await flow.lag()).toBe(0);
  await eventually(isIdle, { withinMs: PATIENCE_MS });
  let isOver = false;
  const load = flow.send(1, STEADY_COMMANDS, () => isOver);
  try {
    await send(pairs, deployment);
  } finally {
    isOver = true;
    await load;
  }
  await eventually(isIdle, { withinMs: PATIENCE_MS });
  const database = await Database.open(databaseUrl);
  const tables = await stockTables((statement) => database.query(statement));
  await database.close();
  return pairs.wrong(tables);
}

/** Posts commands to the instances in turn: the two of a pair go to different instances. */
function post(urls: readonly string[]): Accept {
  return untilAccepted(async (command, number) => {
    const url = urls[number % urls.length];
    const answer = await fetch(`${url}/commands`, {
      method: 'POST',
      body: JSON.stringify(command),
      headers: { 'content-type': 'application/json' },
    });
    if (answer.status !== 202)
      throw new Error(`POST /commands is answered with ${answer.status}: ${await answer.text()}`);
  });
}

/** Sends a command again while a busy machine keeps the log from accepting it. */
function untilAccepted(accept: Accept): Accept {
  return (command, number) => eventually(() => accept(command, number), { withinMs: PATIENCE_MS });
}

/** Reads how often and how long each instance waited for other lanes before a rejection. */
async function waits(urls: readonly string[]): Promise<string> {
  const pages = await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()));
  return pages
    .map((page) =>
      page.match(/^allocation_order_wait(s_total|_seconds_sum|_seconds_count).*$/gm)?.join(', '),
    )
    .join('; ');
}

const anyKey = () => `key-${Math.floor(Math.random() * 1_000)}`;

/** Declares the tests that each deployment must pass. */
function itKeepsTheOrder(currentDeployment: () => Deployment | null): void {
  it(
    'decides posted commands in the order in which they were accepted',
    async ({ skip }) => {
      const deployment = currentDeployment() ?? skip();
      expect(
        await experiment(deployment, 'http', (pairs, { urls }) => pairs.send(post(urls))),
      ).toEqual(NONE_WRONG);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'decides the lines of one published stream in their order',
    async ({ skip }) => {
      const deployment = currentDeployment() ?? skip();
      const stream = async (
        pairs: CausalPairs,
        { environment, directory }: Pick<Deployment, 'environment' | 'directory'>,
      ) => {
        const lines = pairs
          .inOrder()
          .map((command: PlainCommand) => `${JSON.stringify(command)}\n`);
        const { code, stderr } = await runCli(
          environment,
          directory,
          ['publish', '-'],
          ({ stdin }) => stdin?.end(lines.join('')),
        );
        expect([code, stderr]).toEqual([0, '']);
      };
      expect(await experiment(deployment, 'stream', stream)).toEqual(NONE_WRONG);
    },
    TEST_TIMEOUT_MS,
  );

  it(
    'rejects nothing as unknown that was accepted before, whatever the keys',
    async ({ skip }) => {
      const deployment = currentDeployment() ?? skip();
      const wrong = await experiment(deployment, 'keys', (pairs, { produce }) =>
        pairs.send(produce),
      );
      process.stdout.write(`Waits for other lanes: ${await waits(deployment.urls)}\n`);
      expect(wrong).toEqual(NONE_WRONG);
    },
    TEST_TIMEOUT_MS,
  );
}

describe('one instance on the embedded log', () => {
  let directory: string;
  let flow: EmbeddedFlow;
  let service: ServiceProcess;
  let log: Database;
  let deployment: Deployment;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    const databaseUrl = `sqlite:///${join(directory, 'allocation.db')}`;
    flow = new EmbeddedFlow(databaseUrl);
    await flow.connect();
    const environment = { ...flow.names(), DATABASE_URL: databaseUrl };
    service = await ServiceProcess.start(environment, directory);
    await flow.bringStock();
    log = await Database.open(databaseUrl);
    const broker = new EmbeddedBroker(log);
    const produce = untilAccepted(async (command) => {
      await broker.publish(flow.topics.commands, [
        { key: anyKey(), value: JSON.stringify(command), headers: {} },
      ]);
    });
    deployment = { flow, databaseUrl, environment, directory, urls: [service.url], produce };
  }, 120_000);

  afterAll(async () => {
    await stopped(service);
    await log.close();
    await rm(directory, { recursive: true, force: true });
  });

  itKeepsTheOrder(() => deployment);
});

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers || !inject('postgresUrl'))('two instances on Kafka and PostgreSQL', () => {
  const flow = new CommandFlow(brokers ?? '');
  const producer = flow.kafka.producer({
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  const instances: ServiceProcess[] = [];
  let directory: string;
  let database: Awaited<ReturnType<typeof postgresDatabase>>;
  let deployment: Deployment;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    database = await postgresDatabase();
    await Promise.all([flow.connect(), producer.connect()]);
    const environment = flow.environment(brokers ?? '', database.url);
    for (const _ of [0, 1]) instances.push(await ServiceProcess.start(environment, directory));
    await sharedOut(instances);
    await flow.bringStock();
    const topic = flow.topics.commands;
    const produce = untilAccepted(async (command) => {
      await producer.send({ topic, messages: [{ key: anyKey(), value: JSON.stringify(command) }] });
    });
    deployment = {
      flow,
      databaseUrl: database.url,
      environment,
      directory,
      urls: instances.map(({ url }) => url),
      produce,
    };
  }, 300_000);

  afterAll(async () => {
    await Promise.all(instances.map(terminated));
    await Promise.all([flow.disconnect(), producer.disconnect()]);
    await database.remove();
    await rm(directory, { recursive: true, force: true });
  });

  itKeepsTheOrder(() => deployment);
});
