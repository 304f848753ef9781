import { describe, expect, it } from 'vitest';
import type {
  PastAnswer,
  PastCommands,
} from '../../../src/adapters/database/replay/past-commands.ts';
import type { Command } from '../../../src/domain/commands.ts';
import { encodeAnswer } from '../../../src/messages/encode-answer.ts';
import { isBefore, isEmptyRange, isWithin } from '../../../src/replay/bounds.ts';
import { EventCopy, type EventSelection, planEventCopy } from '../../../src/replay/event-copy.ts';
import { readPast } from '../../../src/replay/read-past.ts';
import type { RebuildPlan } from '../../../src/replay/rebuild-plan.ts';
import { refuseEmptyTopic } from '../../../src/replay/rebuild-refusals.ts';
import { planWhatIf } from '../../../src/replay/what-if-plan.ts';
import { verdictOfWhatIf } from '../../../src/replay/what-if-report.ts';
import type { Broker, OffsetRange, ReadChunk } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

const topics = {
  commandsTopic: 'commands',
  eventsTopic: 'events',
  deadLettersTopic: 'dead-letters',
  auditTopic: null,
  groupId: 'group',
};
const watch = { advance: async () => {}, signal: new AbortController().signal };

function range(beginning: number, end: number): OffsetRange {
  return { partition: 0, beginning, end };
}

/** Fakes a broker with one partition for each topic, these ranges and this committed offset. */
function brokerWith(ranges: Record<string, OffsetRange>, committed: number | null = null): Broker {
  return {
    offsetRanges: async (topic: string) => [ranges[topic] ?? range(0, 0)],
    committedOffsets: async () => [committed],
    maxMessageBytes: async () => 1_000,
    ensureTopics: async () => {},
  } as unknown as Broker;
}

/** Builds the record at `at` of the events topic that answers the command at `offset`. */
function answerTo(offset: number, at = offset): ReceivedRecord {
  const command: Command = {
    type: 'CreateBatch',
    reference: `b${offset}`,
    sku: 'LAMP',
    quantity: 1,
    eta: null,
  };
  const { type, ...data } = command;
  const source = {
    topic: 'commands',
    partition: 0,
    offset,
    identity: `c${offset}`,
    correlationId: 'c',
    traceparent: null,
  };
  const events = [{ type: 'BatchCreated' as const, ...data, version: offset + 1 }];
  const [encoded] = encodeAnswer({ ...source, command, events, time: '2026-11-26T12:00:00.000Z' });
  const headers = encoded?.headers ?? {};
  return {
    topic: 'events',
    partition: 0,
    offset: at,
    timestampMs: 0,
    key: null,
    value: Buffer.from(encoded?.value ?? ''),
    headers,
  };
}

describe('a bound', () => {
  const records = [4, 5, 6].map((each) => ({ offset: each, timestampMs: each }));

  it.each([{ offset: 5 }, { timeMs: 5 }])(
    'includes its record as a start, and excludes it as an end: %o',
    (bound) => {
      expect(records.map((record) => isBefore(record, bound))).toEqual([true, false, false]);
      expect(records.map((record) => isWithin(record, { from: bound, to: null }))).toEqual([
        false,
        true,
        true,
      ]);
      expect(records.map((record) => isWithin(record, { from: null, to: bound }))).toEqual([
        true,
        false,
        false,
      ]);
    },
  );
});

describe('a range', () => {
  it.each([
    [{ offset: 100 }, { offset: 50 }],
    [{ offset: 5 }, { offset: 5 }],
    [{ timeMs: 5 }, { timeMs: 4 }],
    [{ timeMs: 5 }, { timeMs: 5 }],
  ])('from %o to %o is empty', (from, to) => {
    expect(isEmptyRange({ from, to })).toBe(true);
  });

  it.each([
    [{ offset: 5 }, { offset: 6 }],
    [{ timeMs: 5 }, { timeMs: 6 }],
    [{ offset: 100 }, { timeMs: 5 }],
    [{ timeMs: 100 }, { offset: 5 }],
    [{ offset: 5 }, null],
    [null, { offset: 0 }],
    [null, null],
  ])('from %o to %o may have records', (from, to) => {
    expect(isEmptyRange({ from, to })).toBe(false);
  });
});

describe('the verdict of a what-if', () => {
  it.each([
    ['equal', 1, {}],
    ['different', 5, { fails: 1 }],
    ['different', 0, { 'other-data': 1 }],
    ['nothing-compared', 0, {}],
  ] as const)('is %s if %i answers are the same and %o differ', (verdict, same, different) => {
    expect(verdictOfWhatIf({ same, different })).toBe(verdict);
  });
});

describe('an events topic', () => {
  const refusal = async (position: number, eventsEnd: number, letters: number) => {
    const positions = [{ topic: 'commands', partition: 0, nextOffset: position }];
    const plan = {
      ...topics,
      group: 'group',
      positions,
      ranges: [range(0, eventsEnd)],
    } as unknown as RebuildPlan;
    return refuseEmptyTopic(brokerWith({ 'dead-letters': range(0, letters) }), plan).then(
      () => 'taken',
      () => 'refused',
    );
  };

  it('without events is refused once a command is answered', async () => {
    expect([await refusal(0, 0, 0), await refusal(1, 0, 0)]).toEqual(['taken', 'refused']);
  });

  it('is accepted if it has an event, or if there is a dead letter', async () => {
    expect([await refusal(1, 1, 0), await refusal(1, 0, 1)]).toEqual(['taken', 'taken']);
  });
});

describe('a what-if', () => {
  it.each([
    [4, range(0, 4), 6],
    [9, range(0, 9), 1],
    [10, range(0, 10), 0],
    [11, range(0, 10), 0],
    [null, range(0, 0), 10],
  ])(
    'of a group at %o reads the commands before it, and counts the others',
    async (committed, commands, unanswered) => {
      const plan = await planWhatIf(brokerWith({ commands: range(0, 10) }, committed), topics, {
        from: null,
        to: null,
      });
      expect(plan).toMatchObject({ commands: [commands], unanswered });
    },
  );

  it('reads only the answers to the commands that it reads', async () => {
    const answersRead: PastAnswer[] = [];
    const past = {
      addCommands: async () => {},
      addAnswers: async (answers: readonly PastAnswer[]) => void answersRead.push(...answers),
      addDeadLetters: async () => {},
    } as unknown as PastCommands;
    const broker = {
      read: async (
        topic: string,
        _: unknown,
        take: (delivery: Pick<ReadChunk, 'records'>) => Promise<void>,
      ) => {
        if (topic === 'events')
          await take({ records: [3, 4, 5].map((offset) => answerTo(offset)) });
      },
    } as unknown as Broker;
    const ranges = {
      commands: [range(0, 4)],
      events: [range(0, 9)],
      deadLetters: [],
      from: null,
      to: null,
      skipForeign: false,
    };
    await readPast(broker, { ...topics, ...ranges }, past, watch);
    expect(answersRead.map(({ offset }) => offset)).toEqual([3]);
  });
});

describe('a copy of events', () => {
  const everything: EventSelection = { from: null, to: null, type: null, sku: null };
  const planned = async (selection: Partial<EventSelection>, resumed: number | null = null) => {
    const resume = resumed === null ? null : new Map([[0, resumed]]);
    const plan = await planEventCopy(
      brokerWith({ events: range(2, 10) }),
      topics,
      'copies',
      { ...everything, ...selection },
      resume,
    );
    return plan.ranges.map(({ beginning, end }) => [beginning, end])[0];
  };

  it('begins at the first requested offset, and ends before the second', async () => {
    expect(await planned({ from: { offset: 3 } })).toEqual([3, 10]);
    expect(await planned({ to: { offset: 9 } })).toEqual([2, 9]);
    expect(await planned({ from: { offset: 5 }, to: { offset: 6 } })).toEqual([5, 6]);
    expect(await planned({ from: { offset: 6 }, to: { offset: 6 } })).toEqual([6, 6]);
  });

  it('is limited to the offsets that the topic has', async () => {
    expect(await planned({ from: { offset: 1 } })).toEqual([2, 10]);
    expect(await planned({ from: { offset: 2 } })).toEqual([2, 10]);
    expect(await planned({ to: { offset: 10 } })).toEqual([2, 10]);
    expect(await planned({ to: { offset: 11 } })).toEqual([2, 10]);
  });

  it('resumes exactly where it stopped', async () => {
    expect([await planned({}, 2), await planned({}, 3), await planned({}, 10)]).toEqual([
      [2, 10],
      [3, 10],
      [10, 10],
    ]);
  });

  it('stands at the first unsent record if it is interrupted', async () => {
    // In a transactional log, a marker has every second offset.
    const records = Array.from({ length: 501 }, (_, index) => answerTo(index, 2 * index));
    const sent: (Buffer | string | null)[] = [];
    const broker = {
      read: async (_: string, __: unknown, take: (delivery: ReadChunk) => Promise<void>) =>
        take({ partition: 0, records, nextOffset: 1_002 }),
      publish: async (_: string, chunk: readonly ReceivedRecord[]) =>
        void sent.push(...chunk.map(({ value }) => value)),
    } as unknown as Broker;
    const copy = new EventCopy(broker, {
      eventsTopic: 'events',
      target: 'copies',
      ranges: [range(0, 1_002)],
      selection: everything,
    });
    const interruption = new AbortController();
    const advance = async () => interruption.abort(new Error('Ctrl-C'));
    await expect(copy.run({ advance, signal: interruption.signal })).rejects.toThrow('Ctrl-C');
    expect([sent.length, copy.positions.get(0)]).toEqual([500, records[500]?.offset]);
    await copy.run(watch);
    expect(copy.positions.get(0)).toBe(1_002);
  });
});
