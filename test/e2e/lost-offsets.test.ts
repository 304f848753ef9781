// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { CommandFlow, LANES, workingLanes } from '../support/command-flow.ts';
import { eventually } from '../support/eventually.ts';
import { checkHistory } from '../support/judge/check-history.ts';
import { readHistory } from '../support/read-history.ts';
import { ServiceProcess } from '../support/service-process.ts';

const COMMANDS_PER_ROUND = 200;

const brokers = inject('kafkaBrokers');

describe.skipIf(!brokers)('the service on real Kafka when its group has lost its offsets', () => {
  let flow: CommandFlow;
  let directory: string;
  let environment: Record<string, string>;
  let service: ServiceProcess | undefined;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-'));
    flow = new CommandFlow(brokers ?? '');
    await flow.connect();
    environment = flow.environment(brokers ?? '', `sqlite:///${join(directory, 'allocation.db')}`);
    service = await ServiceProcess.start(environment, directory);
    await flow.bringStock();
    await flow.send(1, COMMANDS_PER_ROUND);
  }, 180_000);

  afterEach(async () => {
    await service?.stop('SIGKILL');
    await flow.disconnect();
    await rm(directory, { recursive: true, force: true });
  });

  /** Deletes the group, as Kafka does when nobody has used the group for 7 days. */
  async function deleteGroup(): Promise<void> {
    const admin = flow.kafka.admin();
    await admin.connect();
    // A killed member stays in the group until its session ends.
    await eventually(() => admin.deleteGroups([flow.group]), { withinMs: 60_000 });
    await admin.disconnect();
  }

  /** Sends more commands, and expects exactly one answer to every command. */
  async function goesOn(group = flow.group): Promise<void> {
    await workingLanes(service?.url ?? '', LANES);
    await flow.send(2, COMMANDS_PER_ROUND);
    const history = async () =>
      readHistory(flow.kafka, flow.topics, group, environment.DATABASE_URL ?? '');
    // Published rows leave the outbox with the lane's next transaction, or when the lane stops.
    const stillWrong = async () =>
      checkHistory(await history()).filter(({ kind }) => kind !== 'outbox');
    await eventually(async () => expect(await stillWrong()).toEqual([]), { withinMs: 60_000 });
    expect(await service?.stop()).toBe(0);
    expect(checkHistory(await history())).toEqual([]);
  }

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'after a %s and the loss of the group, no answer comes twice',
    async (signal) => {
      if (signal === 'SIGTERM')
        await eventually(async () => expect(await flow.lag()).toBe(0), { withinMs: 60_000 });
      await service?.stop(signal);
      await deleteGroup();
      service = await ServiceProcess.start(environment, directory);
      await goesOn();
    },
    120_000,
  );

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'after a %s and a new KAFKA_GROUP_ID, no answer comes twice',
    async (signal) => {
      const group = `${flow.group}-2`;
      await service?.stop(signal);
      environment.KAFKA_GROUP_ID = group;
      service = await ServiceProcess.start(environment, directory);
      await goesOn(group);
    },
    120_000,
  );
});
