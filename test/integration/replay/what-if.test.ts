// @module-tag db

import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Database } from '../../../src/adapters/database/database.ts';
import type { Command } from '../../../src/domain/commands.ts';
import type { Event } from '../../../src/domain/events.ts';
import { OrderLine, type Product, TooManyLinesError } from '../../../src/domain/model.ts';
import type { Bound } from '../../../src/replay/bounds.ts';
import { whatIf } from '../../../src/replay/what-if.ts';
import { planWhatIf } from '../../../src/replay/what-if-plan.ts';
import type { CommandDifference, CommandFilter } from '../../../src/replay/what-if-report.ts';
import { MessageBus } from '../../../src/service-layer/message-bus.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';
import type { UnitOfWork } from '../../../src/service-layer/unit-of-work.ts';
import { anyCommand, meetingCommands } from '../../support/arbitrary-commands.ts';
import { CausalPairs, NONE_WRONG } from '../../support/causal-pairs.ts';
import { eventually } from '../../support/eventually.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { batch, order } from '../../support/plain-commands.ts';
import { stockTables } from '../../support/read-history.ts';
import { describeOnEachBroker, RunningService } from '../../support/running-service.ts';

/** How many pairs of each kind are sent. */
const PAIRS = 15;

const watch = { advance: async () => {}, signal: new AbortController().signal };
const quiet = { notifications: { outOfStock() {} } };

/** Fails on the order `poison`, and refuses the command `huge` as too large. */
class BusWithBug extends MessageBus {
  constructor() {
    super(quiet);
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if ('orderid' in command && command.orderid === 'poison')
      throw new Error('the handler has a bug');
    if (command.type === 'DeallocateOrder' && command.orderid === 'huge')
      throw new TooManyLinesError('in steps, please');
    return super.handle(command, unitOfWork);
  }
}

/** Allocates by another rule: the batch that arrives last comes first. */
class BusWithOtherRule extends MessageBus {
  constructor() {
    super(quiet);
  }

  override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
    if (command.type !== 'AllocateOrder') return super.handle(command, unitOfWork);
    const events: Event[] = [];
    for (const { sku, qty } of command.lines) {
      const product = await unitOfWork.products.get(sku);
      if (!product) return super.handle(command, unitOfWork);
      events.push(...allocateToTheLast(product, new OrderLine(command.orderid, sku, qty)));
    }
    return events;
  }
}

function allocateToTheLast(product: Product, line: OrderLine): readonly Event[] {
  const quantities = product.batches.map((batch) => ({ batch, quantity: batch.quantity }));
  const [last] = product.batches
    .filter((batch) => batch.canAllocate(line))
    .toSorted((a, b) => (b.eta ?? '').localeCompare(a.eta ?? ''));
  // With the other batches full, the rule of today chooses the last one.
  for (const { batch } of quantities)
    if (batch !== last) batch.changeQuantity(batch.allocatedQuantity);
  product.allocate(line);
  for (const { batch, quantity } of quantities) batch.changeQuantity(quantity);
  return product.collectEvents();
}

interface How extends Partial<CommandFilter> {
  readonly from?: Bound | null;
  readonly to?: Bound;
  readonly bus?: MessageBus;
  readonly eventsTopic?: string;
  /** A partition whose commands are all gone from the topic. */
  readonly gonePartition?: number;
}

async function ask({ service, config }: RunningService, how: How = {}) {
  const {
    from = null,
    to = null,
    type = null,
    sku = null,
    bus,
    eventsTopic = config.eventsTopic,
    gonePartition,
  } = how;
  const plan = await planWhatIf(service.broker, { ...config, eventsTopic }, { from, to });
  const commands = plan.commands.map((range) => ({
    ...range,
    beginning: range.partition === gonePartition ? range.end : range.beginning,
  }));
  return whatIf(service.broker, { ...plan, commands }, { type, sku }, watch, bus);
}

describeOnEachBroker('A what-if', (environment) => {
  let running: RunningService;

  const send = async (...commands: (Partial<LogRecord> | object)[]) => {
    const places = await running.send(...commands);
    await running.idle();
    return places;
  };

  beforeEach(async () => {
    running = await RunningService.start(
      { ...environment, TOPIC_PARTITIONS: '3' },
      { bus: new BusWithBug() },
    );
    await send(
      batch('lamp-1', 'LAMP'),
      batch('lamp-2', 'LAMP', { eta: '2027-01-01' }),
      batch('sofa-1', 'SOFA'),
    );
    await send(order('o1', 'LAMP'), order('o2', 'SOFA'), order('o3', 'LAMP', 7));
  });

  afterEach(() => running[Symbol.asyncDispose]());

  /** Sends commands of every kind, one after the other. */
  const mixed = async () => {
    const lines = [
      { sku: 'LAMP', qty: 3 },
      { sku: 'SOFA', qty: 1 },
      { sku: 'DESK', qty: 1 },
    ];
    await send({ type: 'AllocateOrder', id: 'o4', orderid: 'o4', lines });
    await send(order('o1', 'LAMP'), batch('lamp-1', 'LAMP'), {
      ...batch('lamp-1', 'LAMP'),
      id: 'the same batch',
    });
    await send(
      { value: 'no command' },
      { ...order('again', 'LAMP'), orderid: 'o1' },
      { ...order('o9', 'LAMP', 3), orderid: 'o1' },
    );
    await send({ type: 'ChangeBatchQuantity', id: 'shrunk', reference: 'lamp-1', quantity: 4 });
    await send(
      { type: 'ChangeBatchQuantity', id: 'none', reference: 'lamp-9', quantity: 4 },
      order('poison', 'BED'),
    );
    await send(batch('bed-1', 'BED'));
    await send(
      { type: 'DeallocateOrder', id: 'gone', orderid: 'o4' },
      { type: 'DeallocateOrder', id: 'none 2', orderid: 'o99' },
    );
    await send(order('o5', 'SOFA', 9), { ...batch('lamp-1', 'LAMP'), id: 'the same batch' });
  };

  it('leaves out a command that was refused as too large, as a rebuild does', async () => {
    await send(
      order('huge', 'SOFA'),
      { type: 'DeallocateOrder', id: 'letgo', orderid: 'huge' },
      order('o6', 'SOFA'),
    );
    expect(await ask(running)).toMatchObject({
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
    await mixed();
    expect(await ask(running)).toEqual({
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
    await mixed();
    expect(await ask(running, { from: { timeMs: between } })).toMatchObject({
      folded: 6,
      handled: 9,
      same: 9,
      different: {},
    });
    expect(await ask(running, { to: { timeMs: between } })).toMatchObject({
      folded: 0,
      handled: 6,
      same: 6,
      different: {},
    });
    for (const offset of [1, 2, 3, 4]) {
      const { folded, same, different, skipped } = await ask(running, { from: { offset } });
      expect({ offset, different }).toEqual({ offset, different: {} });
      expect(folded).toBeGreaterThan(0);
      expect(folded + same + skipped.notCompared).toBeGreaterThan(10);
    }
  });

  it('reports what another rule would have done', async () => {
    const report = await ask(running, { bus: new BusWithOtherRule() });
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
    await send({ type: 'ChangeBatchQuantity', id: 'less', reference: 'lamp-2', quantity: 0 });
    const { differences } = await ask(running, {
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
    expect(await ask(running, { bus, sku: 'SOFA' })).toMatchObject({
      same: 2,
      different: {},
      skipped: { notCompared: 4 },
    });
    expect(await ask(running, { bus, sku: 'LAMP', type: 'AllocateOrder' })).toMatchObject({
      handled: 6,
      same: 0,
      different: { 'other-data': 2 },
      skipped: { notCompared: 4 },
    });
  });

  it('reports a handler that fails now, and goes on without its command', async () => {
    class Failing extends MessageBus {
      override async handle(command: Command, unitOfWork: UnitOfWork): Promise<readonly Event[]> {
        const events = await super.handle(command, unitOfWork);
        if ('orderid' in command && command.orderid === 'o2') throw new Error('no sofas');
        return events;
      }
    }
    expect(await ask(running, { bus: new Failing(quiet) })).toMatchObject({
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
    expect(await ask(running)).toMatchObject({ different: {}, outOfTurn: { count: 0 } });
  }, 120_000);

  it('leaves out a command that the group has not answered', async () => {
    await running.service.consumer.close();
    await running.send(order('later', 'LAMP'));
    expect(await ask(running)).toMatchObject({
      same: 6,
      different: {},
      skipped: { unanswered: 1 },
    });
  });

  it('takes commands that are gone from the topic from their events', async () => {
    await mixed();
    for (const gonePartition of [0, 1, 2]) {
      const { folded, handled, same, differences } = await ask(running, { gonePartition });
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
      expect(await ask(running, { eventsTopic })).toMatchObject({
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
      await send(...Array.from({ length: 9 }, (_, index) => order(`more-${index}`, 'LAMP')));
      await expect(ask(running, { eventsTopic, from: { offset: last + 1 } })).rejects.toThrow(
        /^Events are missing in events-.*ce_sequence 1 on/,
      );
    });
  });

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
    const [partition = '', offset = ''] = (at ?? '').split('/');
    const { broker } = running.service;
    const { commandsTopic, eventsTopic, groupId } = running.config;
    const headers = {
      ...running.events.find(({ headers }) => String(headers.ce_type) === 'Allocated')?.headers,
      ce_id: `${commandsTopic}/${at}`,
      ce_causationid: 'o6',
      ce_sequence: '3',
    };
    const lie = {
      key: 'SOFA',
      value: JSON.stringify({ orderid: 'o6', sku: 'SOFA', qty: 2, batchref: 'sofa-9' }),
      headers,
    };
    const producer = await broker.openProducer(`liar-${commandsTopic}`);
    const position = {
      group: groupId,
      topic: commandsTopic,
      partition: Number(partition),
      nextOffset: Number(offset) + 1,
    };
    await producer.publish([{ topic: eventsTopic, ...lie }], position);
    await producer.close();
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

/**
 * Only a clock places a command that was answered with nothing: a batch that is created again. If
 * another lane changed the batch's quantity at about that time, the turn of the two is unknown.
 */
function hasCertainTurn({ placedBy, published }: CommandDifference): boolean {
  return placedBy === 'sequence' || published !== 'nothing';
}

describe('The outcome of a what-if', () => {
  it('is the same for random commands in several lanes', async () => {
    await using running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: '4' });
    const key = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
    const keyed = fc
      .tuple(
        meetingCommands,
        fc.array(anyCommand, { minLength: 25, maxLength: 45 }),
        fc.infiniteStream(key),
      )
      .map(([meeting, any, keys]) =>
        [...meeting, ...any].map((command) => ({ command, key: keys.next().value })),
      );
    let round = 0;
    await fc.assert(
      fc.asyncProperty(keyed, async (commands) => {
        round += 1;
        const records = commands.map(({ command, key }) => ({
          key,
          value: JSON.stringify(command),
          headers: {},
        }));
        await running.send(...records.slice(0, 20));
        await running.send(...records.slice(20));
        await running.idle();
        for (const from of [null, { offset: round * 5 }]) {
          const { differences, outOfTurn } = await ask(running, { from });
          expect({ round, from, differences: differences.filter(hasCertainTurn) }).toEqual({
            round,
            from,
            differences: [],
          });
          expect({ round, from, ...outOfTurn }).toMatchObject({ round, from, count: 0 });
        }
      }),
      { numRuns: 8 },
    );
  }, 180_000);

  it('follows the sequences when the clocks run backwards', async () => {
    let ticks = 0;
    const backwards = { clock: () => new Date(Date.UTC(2027, 0) - 1_000 * ticks++) };
    await using running = await RunningService.start(
      { KAFKA_BROKERS: '', TOPIC_PARTITIONS: '4' },
      backwards,
    );
    const keyed = (key: number, command: object) => ({
      key: `key-${key % 7}`,
      value: JSON.stringify(command),
      headers: {},
    });
    const lines = ['LAMP', 'SOFA', 'DESK'].map((sku) => ({ sku, qty: 1 }));
    for (const [index, { sku }] of lines.entries()) {
      for (const key of [index, index + 3]) {
        await running.send(
          keyed(key, { type: 'CreateBatch', reference: `b-${sku}`, sku, quantity: 9 }),
        );
        await running.idle();
      }
    }
    for (let round = 0; round < 6; round += 1) {
      const orders = lines.map((line, index) =>
        keyed(round + index, {
          type: 'AllocateOrder',
          orderid: `o${round}-${index}`,
          lines: index === 0 ? lines : [line],
        }),
      );
      await running.send(
        ...orders,
        keyed(3 * round, {
          type: 'ChangeBatchQuantity',
          reference: 'b-LAMP',
          quantity: 3 + (round % 3),
        }),
      );
      await running.idle();
    }
    expect(await ask(running)).toMatchObject({
      handled: 30,
      differences: [],
      outOfTurn: { count: 0 },
    });
  });

  it('is put together when an answer was split', async () => {
    await using running = await RunningService.start({ KAFKA_BROKERS: '', TOPIC_PARTITIONS: '2' });
    const orders = Array.from({ length: 1_500 }, (_, index) => ({
      type: 'AllocateOrder',
      orderid: `o${index}`,
      sku: 'LAMP',
      qty: 1,
    }));
    await running.send({ type: 'CreateBatch', reference: 'lamp-1', sku: 'LAMP', quantity: 1_500 });
    await running.idle();
    await running.send(...orders);
    await running.idle();
    await running.send({ type: 'ChangeBatchQuantity', reference: 'lamp-1', quantity: 0 });
    await running.idle();
    await eventually(() =>
      expect(
        running.events.filter(({ headers }) => String(headers.ce_id).endsWith('.2')),
      ).toHaveLength(1),
    );
    expect(await ask(running)).toMatchObject({
      same: 1_502,
      different: {},
      outOfTurn: { count: 0 },
    });
  });
});
