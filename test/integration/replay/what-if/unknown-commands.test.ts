// @module-tag db

import { afterEach, beforeEach, expect, it } from 'vitest';
import { order } from '../../../support/plain-commands.ts';
import { describeOnEachBroker, type RunningService } from '../../../support/running-service.ts';
import { askWhatIf, sendMixedCommands, startWithSixCommands } from '../../../support/what-if.ts';

describeOnEachBroker('A what-if', (environment) => {
  let running: RunningService;

  beforeEach(async () => {
    running = await startWithSixCommands(environment);
  });

  afterEach(() => running[Symbol.asyncDispose]());

  it('leaves out a command that the group has not answered', async () => {
    await running.service.consumer.close();
    await running.send(order('later', 'LAMP'));
    expect(await askWhatIf(running)).toMatchObject({
      same: 6,
      different: {},
      skipped: { unanswered: 1 },
    });
  });

  it('takes commands that are gone from the topic from their events', async () => {
    await sendMixedCommands(running);
    for (const gonePartition of [0, 1, 2]) {
      const { folded, handled, same, differences } = await askWhatIf(running, { gonePartition });
      // A command that led to no event and is gone is unknown, so that its repeat is handled.
      expect({
        gonePartition,
        differences: differences.filter(({ id }) => id !== 'the same batch'),
      }).toEqual({
        gonePartition,
        differences: [],
      });
      expect(folded).toBeGreaterThan(0);
      expect(handled).toBe(same + differences.length);
    }
  });
});
