// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../../../support/eventually.ts';
import { order } from '../../../support/plain-commands.ts';
import { describeOnEachBroker, type RunningService } from '../../../support/running-service.ts';
import { askWhatIf, sendAndWait, startWithSixCommands } from '../../../support/what-if.ts';

describeOnEachBroker('A what-if', (environment) => {
  let running: RunningService;

  beforeEach(async () => {
    running = await startWithSixCommands(environment);
  });

  afterEach(() => running[Symbol.asyncDispose]());

  describe('when events are missing', () => {
    const eventsWithout = async (type: string) => {
      await eventually(() => expect(running.events).toHaveLength(6));
      const name = `events-${crypto.randomUUID().slice(0, 8)}`;
      await running.service.broker.ensureTopics(
        [{ name, partitions: 1, maxMessageBytes: 1_000_000 }],
        true,
      );
      const kept = running.events.filter(({ headers }) => String(headers.ce_type) !== type);
      await running.service.broker.publish(
        name,
        kept.map(({ key, value, headers }) => ({ key, value, headers })),
      );
      return name;
    };

    it('reports other events and commands out of turn', async () => {
      const eventsTopic = await eventsWithout('BatchCreated');
      expect(await askWhatIf(running, { eventsTopic })).toMatchObject({
        different: { 'other-events': 3 },
        outOfTurn: {
          count: 2,
          first: [expect.stringContaining('commands-'), expect.stringContaining('commands-')],
        },
      });
    });

    it('refuses to begin on a state that the events do not show', async () => {
      const eventsTopic = await eventsWithout('BatchCreated');
      const last =
        Math.max(
          ...(await running.service.broker.offsetRanges(running.config.commandsTopic)).map(
            ({ end }) => end,
          ),
        ) - 1;
      await sendAndWait(
        running,
        ...Array.from({ length: 9 }, (_, index) => order(`more-${index}`, 'LAMP')),
      );
      await expect(askWhatIf(running, { eventsTopic, from: { offset: last + 1 } })).rejects.toThrow(
        /^Events are missing in events-.*ce_sequence 1 on/,
      );
    });
  });
});
