// @module-tag db

import { expect, it } from 'vitest';
import { Database } from '../../src/adapters/database/database.ts';
import { batch, order } from '../support/plain-commands.ts';
import { describeOnEachBroker, RunningService } from '../support/running-service.ts';

const misspelt = (reference: string) => ({ ...batch(reference, 'LAMP'), ETA: '2027-01-31' });
const WARNING = 'ETA is not a field of CreateBatch; did you mean eta?';

describeOnEachBroker('A command with an unknown field', (environment) => {
  const start = (more: Record<string, string> = {}) =>
    RunningService.start({ ...environment, TOPIC_PARTITIONS: '1', ...more });
  const send = async (running: RunningService, ...commands: object[]) => {
    await running.send(...commands);
    await running.idle();
  };
  const reasonsOf = ({ deadLetters }: RunningService) =>
    deadLetters.flatMap(({ headers }) => headers['dead-letter-reason'] ?? []).map(String);

  it('is answered without the field, counted, and logged once', async () => {
    await using running = await start();
    await send(running, misspelt('b1'), misspelt('b2'), batch('b3', 'LAMP'));
    expect(running.eventTypes()).toEqual(Array(3).fill('BatchCreated'));
    const metrics = await (await fetch(`${running.service.http.url}/metrics`)).text();
    expect(metrics).toContain('allocation_unknown_fields_total{type="CreateBatch"} 2\n');
    const warnings = running.log.filter(({ msg }) => String(msg).includes(WARNING));
    expect(warnings).toHaveLength(1);
  }, 60_000);

  it('is a dead letter with STRICT_COMMANDS, which a redrive or an edit answers', async () => {
    await using running = await start({ STRICT_COMMANDS: 'true' });
    await send(running, misspelt('b1'), misspelt('b2'), batch('b3', 'LAMP'));
    expect(running.eventTypes()).toEqual(['BatchCreated']);
    expect(reasonsOf(running)).toEqual(['invalid-data', 'invalid-data']);
    const preview = await running.cli('dead-letters', 'redrive', '--id', 'b1');
    expect(preview.stdout).toContain(WARNING);
    const edit = JSON.stringify(batch('b2', 'LAMP', { eta: '2027-01-31' }));
    for (const choice of [['b1'], ['b2', '--edit', edit]])
      expect(
        await running.cli('dead-letters', 'redrive', '--execute', '--id', ...choice),
      ).toMatchObject({ code: 0 });
    await running.idle();
    const etas = running.events.map(({ value }) => JSON.parse(String(value)));
    expect(etas).toMatchObject([
      { reference: 'b3' },
      { reference: 'b1', eta: null },
      { reference: 'b2', eta: '2027-01-31' },
    ]);
    expect(reasonsOf(running)).toEqual(['invalid-data', 'invalid-data']);
  }, 60_000);

  it('stays readable in the past, as it was decided then', async () => {
    await using running = await start({ STRICT_COMMANDS: 'true' });
    await send(running, misspelt('b1'), batch('b2', 'LAMP'), misspelt('b3'), order('o1', 'LAMP'));
    await running.cli('dead-letters', 'redrive', '--id', 'b1', '--execute');
    await running.idle();
    const whatIf = await running.cli('replay', 'commands', '--execute', '--json');
    expect(JSON.parse(whatIf.stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
      result: 'equal',
      handled: 3,
      same: 3,
      skipped: { deadLetters: 2 },
    });
    const into = running.config.databaseUrl.replace(/allocation\.db$/, 'rebuilt.db');
    expect(await running.cli('replay', 'rebuild', '--into', into, '--execute')).toMatchObject({
      code: 0,
    });
    const database = await Database.open(into);
    const ids = await database.query('select id from processed_commands order by id');
    await database.close();
    expect(ids).toEqual(['b1', 'b2', 'o1'].map((id) => ({ id })));
  }, 60_000);
});
