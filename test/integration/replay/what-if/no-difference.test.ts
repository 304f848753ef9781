// @module-tag db
// @module-tag slow

import { afterEach, beforeEach, expect, it } from 'vitest';
import { Database } from '../../../../src/adapters/database/database.ts';
import { CausalPairs, NONE_WRONG } from '../../../support/causal-pairs.ts';
import { eventually } from '../../../support/eventually.ts';
import { order } from '../../../support/plain-commands.ts';
import { stockTables } from '../../../support/read-history.ts';
import { describeOnEachBroker, type RunningService } from '../../../support/running-service.ts';
import {
  askWhatIf,
  sendAndWait,
  sendMixedCommands,
  startWithSixCommands,
} from '../../../support/what-if.ts';

/** How many pairs of each kind are sent. */
const PAIRS = 15;

describeOnEachBroker('A what-if', (environment) => {
  let running: RunningService;

  beforeEach(async () => {
    running = await startWithSixCommands(environment);
  });

  afterEach(() => running[Symbol.asyncDispose]());

  it('leaves out a command that was refused as too large, as a rebuild does', async () => {
    await sendAndWait(
      running,
      order('huge', 'SOFA'),
      { type: 'DeallocateOrder', id: 'letgo', orderid: 'huge' },
      order('o6', 'SOFA'),
    );
    expect(await askWhatIf(running)).toMatchObject({
      handled: 8,
      same: 8,
      different: {},
      skipped: { deadLetters: 1 },
    });
    const into = running.config.databaseUrl.replace(/allocation\.db$/, 'rebuilt.db');
    const rebuilt = await running.cli('replay', 'rebuild', '--into', into, '--execute');
    expect(rebuilt).toMatchObject({ code: 0 });
    const database = await Database.open(into);
    const ids = await database.query<{ id: string }>(
      'select id from processed_commands order by id',
    );
    const parked = await database.query('select id from parked_commands');
    await database.close();
    expect(ids.map(({ id }) => id)).toEqual([
      'huge',
      'lamp-1',
      'lamp-2',
      'o1',
      'o2',
      'o3',
      'o6',
      'sofa-1',
    ]);
    expect(parked).toEqual([]);
  }, 60_000);

  it('finds no difference in a history of every kind, and counts skipped commands', async () => {
    await sendMixedCommands(running);
    expect(await askWhatIf(running)).toEqual({
      folded: 0,
      handled: 15,
      same: 15,
      different: {},
      skipped: { deadLetters: 3, repeated: 3, unanswered: 0, notCompared: 0 },
      outOfTurn: { count: 0, first: [] },
      foreign: { count: 0, first: [] },
      differences: [],
    });
  });

  it('finds no difference when it begins or ends in the middle', async () => {
    const between = Math.max(...running.events.map(({ timestampMs }) => timestampMs)) + 1;
    await eventually(() => expect(Date.now()).toBeGreaterThan(between));
    await sendMixedCommands(running);
    expect(await askWhatIf(running, { from: { timeMs: between } })).toMatchObject({
      folded: 6,
      handled: 9,
      same: 9,
      different: {},
    });
    expect(await askWhatIf(running, { to: { timeMs: between } })).toMatchObject({
      folded: 0,
      handled: 6,
      same: 6,
      different: {},
    });
    for (const offset of [1, 2, 3, 4]) {
      const { folded, same, different, skipped } = await askWhatIf(running, { from: { offset } });
      expect({ offset, different }).toEqual({ offset, different: {} });
      expect(folded).toBeGreaterThan(0);
      expect(folded + same + skipped.notCompared).toBeGreaterThan(10);
    }
  });

  it('finds no difference when lanes waited for one another before rejecting', async () => {
    const pairs = new CausalPairs('pair', PAIRS);
    await running.send(...pairs.stock());
    await running.idle();
    const sendAnywhere = async (command: object, number: number) => {
      const nothing = { type: 'DeallocateOrder', orderid: `never-${number}` };
      const records = number % 3 === 0 ? [command, nothing] : [command];
      const anywhere = () => Math.floor(Math.random() * running.config.topicPartitions);
      await running.send(
        ...records.map((each) => ({ value: JSON.stringify(each), partition: anywhere() })),
      );
    };
    await pairs.send(sendAnywhere);
    await running.idle();
    const tables = await stockTables((statement) => running.service.database.query(statement));
    expect(pairs.wrong(tables)).toEqual(NONE_WRONG);
    expect(await askWhatIf(running)).toMatchObject({ different: {}, outOfTurn: { count: 0 } });
  }, 120_000);
});
