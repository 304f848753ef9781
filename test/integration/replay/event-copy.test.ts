// @module-tag db

import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { EventCopy, type EventSelection, planEventCopy } from '../../../src/replay/event-copy.ts';
import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { joinPatterns } from '../../support/join-patterns.ts';
import { batch, order } from '../../support/plain-commands.ts';
import { describeOnEachBroker, RunningService } from '../../support/running-service.ts';

const everything: EventSelection = { from: null, to: null, type: null, sku: null };
const watch = { advance: async () => {}, signal: new AbortController().signal };
const LAMPS = 1_200;

describeOnEachBroker('A copy of past events', (environment) => {
  let running: RunningService;
  let target: string;

  beforeAll(async () => {
    running = await RunningService.start(environment);
    const stock = { quantity: 5_000 };
    await running.send(batch('lamp-1', 'LAMP', stock), batch('sofa-1', 'SOFA', stock));
    await running.idle();
    await running.send(
      {
        type: 'AllocateOrder',
        id: 'both',
        orderid: 'both',
        lines: ['LAMP', 'SOFA'].map((sku) => ({ sku, qty: 1 })),
      },
      ...Array.from({ length: LAMPS }, (_, index) => order(`o${index}`, 'LAMP', 1)),
      order('o-sofa', 'SOFA', 1),
      order('o-none', 'DESK', 1),
    );
    await running.idle();
    await running.service.broker.publish(running.config.eventsTopic, [
      { key: 'LAMP', value: 'hello', headers: {} },
    ]);
  });

  afterAll(() => running[Symbol.asyncDispose]());

  beforeEach(async () => {
    target = `copies-${crypto.randomUUID().slice(0, 8)}`;
    await running.service.broker.ensureTopics(
      [{ name: target, partitions: 3, maxMessageBytes: 1_000_000 }],
      true,
    );
  });

  const begin = async (
    selection: Partial<EventSelection> = {},
    resume: ReadonlyMap<number, number> | null = null,
  ) => {
    const { broker } = running.service;
    return new EventCopy(
      broker,
      await planEventCopy(broker, running.config, target, { ...everything, ...selection }, resume),
    );
  };
  const recordsOf = async (topic: string) => {
    const { broker } = running.service;
    const records: ReceivedRecord[] = [];
    await broker.read(
      topic,
      await broker.offsetRanges(topic),
      async (chunk) => void records.push(...chunk.records),
    );
    return records;
  };
  const events = async () =>
    (await recordsOf(running.config.eventsTopic)).filter(({ headers }) => headers.ce_id);
  const plain = ({ key, value, headers }: LogRecord) => ({
    key: String(key),
    value: String(value),
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, each]) => [name, String(each)]),
    ),
  });
  const byKey = (records: readonly LogRecord[]) =>
    Object.fromEntries(Map.groupBy(records.map(plain), ({ key }) => key));
  const marked = (records: readonly LogRecord[]) =>
    records.map((each) => ({ ...each, headers: { ...each.headers, ce_replay: 'true' } }));
  const group = () =>
    running.service.broker.committedOffsets(running.config.groupId, running.config.commandsTopic);

  it('marks the events, keeps the order of each key, and skips foreign records', async () => {
    const before = await group();
    const all = await events();
    expect(await (await begin()).run(watch)).toEqual({
      read: all.length + 1,
      sent: all.length,
      skipped: { earlier: 0, later: 0, notChosen: 0, foreign: 1 },
    });
    expect(byKey(await recordsOf(target))).toEqual(byKey(marked(all)));
    expect(await group()).toEqual(before);
  });

  it('goes on where it was interrupted and sends nothing twice', async () => {
    const interruption = new AbortController();
    const first = await begin();
    let portions = 0;
    const advance = async () => {
      portions += 1;
      if (portions === 2) interruption.abort(new Error('Ctrl-C'));
    };
    await expect(first.run({ advance, signal: interruption.signal })).rejects.toThrow('Ctrl-C');
    const soFar = (await recordsOf(target)).length;
    expect(soFar).toBeGreaterThan(0);
    expect(soFar).toBeLessThan(LAMPS);
    const { sent } = await (await begin({}, first.positions)).run(watch);
    expect(sent + soFar).toBe((await events()).length);
    expect(byKey(await recordsOf(target))).toEqual(byKey(marked(await events())));
  });

  it('sends the events of a type and a product, and a composite as a whole', async () => {
    expect(await (await begin({ type: 'Allocated', sku: 'SOFA' })).run(watch)).toMatchObject({
      sent: 2,
    });
    const ids = (await recordsOf(target)).map(({ headers }) => String(headers.ce_causationid));
    expect(ids.toSorted()).toEqual(['both', 'o-sofa']);
    expect(await (await begin({ type: 'OutOfStock' })).run(watch)).toMatchObject({ sent: 0 });
    expect(await (await begin({ type: 'CommandRejected' })).run(watch)).toMatchObject({ sent: 1 });
  });

  it('sends the events between two offsets or two moments', async () => {
    const all = await events();
    const within = all.filter(({ offset }) => offset >= 1 && offset < 4).length;
    expect(
      await (await begin({ from: { offset: 1 }, to: { offset: 4 } })).run(watch),
    ).toMatchObject({ read: within, sent: within });
    const timeMs =
      all.find(({ headers }) => String(headers.ce_causationid) === 'o-sofa')?.timestampMs ?? 0;
    const later = all.filter(({ timestampMs }) => timestampMs >= timeMs).length;
    expect(await (await begin({ from: { timeMs } })).run(watch)).toMatchObject({
      sent: later,
      skipped: { earlier: all.length - later },
    });
    expect(await (await begin({ to: { timeMs } })).run(watch)).toMatchObject({
      sent: all.length - later,
    });
  });

  it('shows its plan on the command line, and copies only with --execute', async () => {
    const args = ['replay', 'events', '--to-topic', target, '--sku', 'SOFA'];
    const preview = await running.cli(...args);
    expect([preview.code, preview.stdout]).toEqual([
      0,
      expect.stringMatching(
        joinPatterns(
          /target .*copies-[\s\S]*ranges .*0: 0 to \d+[\s\S]*/,
          /chosen +with an event of product SOFA[\s\S]*Nothing is done/,
        ),
      ),
    ]);
    expect(await recordsOf(target)).toEqual([]);
    const execution = await running.cli(...args, '--execute');
    expect([execution.code, execution.stdout]).toEqual([
      0,
      expect.stringMatching(/Copied to copies-.* 3 sent\nSkipped: \d+ not chosen.* 1 foreign\n$/),
    ]);
    expect(await recordsOf(target)).toHaveLength(3);
  });

  it('refuses a wrong topic, an unknown type and a wrong place in one line', async () => {
    const refusal = async (...args: string[]) => {
      const { code, stdout, stderr } = await running.cli('replay', 'events', '--execute', ...args);
      expect(stdout).toBe('');
      expect(stderr).toMatch(/^error: .*\n$/);
      return [code, stderr];
    };
    expect(await refusal('--to-topic', 'nowhere')).toEqual([
      1,
      expect.stringContaining('There is no topic nowhere. '),
    ]);
    const { commandsTopic, eventsTopic, deadLettersTopic } = running.config;
    for (const own of [commandsTopic, deadLettersTopic]) {
      const planning = planEventCopy(running.service.broker, running.config, own, everything, null);
      await expect(planning).rejects.toThrow(`${own} is a topic of the service itself`);
    }
    expect(await refusal('--to-topic', eventsTopic)).toEqual([
      1,
      expect.stringContaining(`${eventsTopic} is a topic of the service itself`),
    ]);
    expect(await refusal('--to-topic', target, '--type', 'Sold')).toEqual([
      2,
      expect.stringContaining('Unknown event "Sold"; use one of: '),
    ]);
    expect(await refusal('--to-topic', target, '--resume', 'there')).toEqual([
      2,
      expect.stringContaining('--resume there is not valid'),
    ]);
    expect(await refusal('--to-topic', target, '--resume', '9/0')).toEqual([
      1,
      expect.stringContaining('has no partition 9'),
    ]);
  }, 60_000);
});
