// @module-tag db

import { afterEach, beforeEach, expect, it } from 'vitest';
import { joinPatterns } from '../../../support/join-patterns.ts';
import { order } from '../../../support/plain-commands.ts';
import { describeOnEachBroker, type RunningService } from '../../../support/running-service.ts';
import { startWithSixCommands } from '../../../support/what-if.ts';

describeOnEachBroker('A what-if', (environment) => {
  let running: RunningService;

  beforeEach(async () => {
    running = await startWithSixCommands(environment);
  });

  afterEach(() => running[Symbol.asyncDispose]());

  it('shows its plan without --execute, and its result with --execute', async () => {
    const preview = await running.cli('replay', 'commands', '--from', '0', '--sku', 'LAMP');
    expect(preview).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(
        joinPatterns(
          /commands .*3 partitions[\s\S]*compared .*about LAMP, from 0 to the last[\s\S]*/,
          /Nothing is done/,
        ),
      ),
    });
    const execution = await running.cli('replay', 'commands', '--execute');
    expect(execution).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/same outcome +6\n[\s\S]*Equal: 6 commands handled again in/),
    });
    const [plan, result] = (await running.cli('replay', 'commands', '--execute', '--json')).stdout
      .trim()
      .split('\n');
    expect([JSON.parse(plan ?? ''), JSON.parse(result ?? '')]).toMatchObject([
      { execute: true },
      { result: 'equal', same: 6 },
    ]);
    expect(await running.cli('replay', 'commands', '--type', 'Nonsense')).toMatchObject({
      code: 2,
    });
  });

  it.each(['commands', 'events --to-topic elsewhere'])(
    'replay %s refuses an empty range with exit code 2',
    async (command) => {
      const range = ['--from', '100', '--to', '50', '--execute'];
      expect(await running.cli('replay', ...command.split(' '), ...range)).toMatchObject({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(/^error: --from 100 --to 50 is an empty range: .*\n$/),
      });
    },
  );

  it('exits with 1 and says so when nothing was compared', async () => {
    const args = ['replay', 'commands', '--sku', 'NO-SUCH-PRODUCT', '--execute'];
    expect(await running.cli(...args)).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('Nothing was compared: 6 commands handled again in'),
    });
    const { code, stdout } = await running.cli(...args, '--json');
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect({ code, ...result }).toMatchObject({ code: 1, result: 'nothing-compared', same: 0 });
  });

  it('exits with 1 when something differs', async () => {
    await running.service.consumer.close();
    const [at] = await running.send(order('o6', 'SOFA'));
    await publishWrongAnswer(running, at ?? '');
    expect(await running.cli('replay', 'commands', '--execute')).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(
        joinPatterns(
          /^other-data: AllocateOrder o6 at \S+: published 2 SOFA allocated to order o6 /m,
          /from batch sofa-9, now .* from batch sofa-1$/,
        ),
      ),
    });
  });
});

/** Answers the order `o6` at this place from a batch that does not exist. */
async function publishWrongAnswer(running: RunningService, place: string): Promise<void> {
  const [partition = '', offset = ''] = place.split('/');
  const { broker } = running.service;
  const { commandsTopic, eventsTopic, groupId } = running.config;
  const allocated = running.events.find(({ headers }) => String(headers.ce_type) === 'Allocated');
  const answer = {
    topic: eventsTopic,
    key: 'SOFA',
    value: JSON.stringify({ orderid: 'o6', sku: 'SOFA', qty: 2, batchref: 'sofa-9' }),
    headers: {
      ...allocated?.headers,
      ce_id: `${commandsTopic}/${place}`,
      ce_causationid: 'o6',
      ce_sequence: '3',
    },
  };
  const producer = await broker.openProducer(`liar-${commandsTopic}`);
  await producer.publish([answer], {
    group: groupId,
    topic: commandsTopic,
    partition: Number(partition),
    nextOffset: Number(offset) + 1,
  });
  await producer.close();
}
