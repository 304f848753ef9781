// @module-tag db

import { afterEach, beforeEach, expect, it } from 'vitest';
import { describeOnEachBroker, type RunningService } from '../../../support/running-service.ts';
import { askWhatIf, sendAndWait, startWithSixCommands } from '../../../support/what-if.ts';
import { BusThatFailsLate, BusWithOtherRule } from '../../../support/what-if-buses.ts';

describeOnEachBroker('A what-if', (environment) => {
  let running: RunningService;

  beforeEach(async () => {
    running = await startWithSixCommands(environment);
  });

  afterEach(() => running[Symbol.asyncDispose]());

  it('reports what another rule would have done', async () => {
    const report = await askWhatIf(running, { bus: new BusWithOtherRule() });
    expect(report).toMatchObject({ same: 4, different: { 'other-data': 2 } });
    expect(report.differences.toSorted((a, b) => a.id.localeCompare(b.id))[0]).toEqual({
      kind: 'other-data',
      id: 'o1',
      type: 'AllocateOrder',
      place: expect.stringMatching(/^commands-\w+\/\d\/\d+$/),
      placedBy: 'sequence',
      published: '2 LAMP allocated to order o1 from batch lamp-1',
      now: '2 LAMP allocated to order o1 from batch lamp-2',
    });
  });

  it('goes on with the new outcome of a command', async () => {
    await sendAndWait(running, {
      type: 'ChangeBatchQuantity',
      id: 'less',
      reference: 'lamp-2',
      quantity: 0,
    });
    const { differences } = await askWhatIf(running, {
      bus: new BusWithOtherRule(),
      type: 'ChangeBatchQuantity',
    });
    expect(differences).toMatchObject([
      {
        kind: 'other-events',
        published: '1 events the same, then nothing more',
        now: expect.stringMatching(
          /^1 events the same, then \d LAMP of order o\d back in batch lamp-2; .*from batch lamp-1/,
        ),
      },
    ]);
  });

  it('compares only the chosen commands, on a state that all commands have made', async () => {
    const bus = new BusWithOtherRule();
    expect(await askWhatIf(running, { bus, sku: 'SOFA' })).toMatchObject({
      same: 2,
      different: {},
      skipped: { notCompared: 4 },
    });
    expect(await askWhatIf(running, { bus, sku: 'LAMP', type: 'AllocateOrder' })).toMatchObject({
      handled: 6,
      same: 0,
      different: { 'other-data': 2 },
      skipped: { notCompared: 4 },
    });
  });

  it('reports a handler that fails now, and goes on without its command', async () => {
    expect(await askWhatIf(running, { bus: new BusThatFailsLate() })).toMatchObject({
      same: 5,
      different: { fails: 1 },
      differences: [
        {
          id: 'o2',
          published: '2 SOFA allocated to order o2 from batch sofa-1',
          now: 'it fails: no sofas',
        },
      ],
    });
  });
});
