import { beforeEach, describe, expect, it } from 'vitest';
import { Audit } from '../../../src/audit/audit.ts';
import type { AuditWriter } from '../../../src/audit/topic-writer.ts';
import { auditWriter } from '../../../src/audit/topic-writer.ts';
import type { OperatorActed } from '../../../src/messages/operator-acts.ts';
import type { LogRecord } from '../../../src/service-layer/records.ts';

const names = (count: number) => Array.from({ length: count }, (_, number) => `t/0/${number}`);
const act = { act: 'dead-letters redrive', on: ['t/0/0'] } as const;

describe('an audit', () => {
  let records: LogRecord[];
  let lines: { readonly level: 'info' | 'error'; readonly text: string }[];

  beforeEach(() => {
    records = [];
    lines = [];
  });

  const auditWith = (write: AuditWriter | null = async (record) => void records.push(record)) => {
    const logAt = (level: 'info' | 'error') => (fields: unknown, text?: unknown) =>
      void lines.push({ level, text: `${text} ${JSON.stringify(fields)}` });
    const log = { info: logAt('info'), error: logAt('error') };
    return new Audit({ by: 'ann@desk', from: 'cli', log, write });
  };
  const written = (): OperatorActed[] => records.map(({ value }) => JSON.parse(String(value)));

  it('writes the beginning before the work begins, and the end when it is over', async () => {
    const result = await auditWith().carryOut(act, async () => records.length);
    expect([result, records.length]).toEqual([1, 2]);
    expect(written().map(({ state }) => state)).toEqual(['begun', 'succeeded']);
  });

  it('gives both records of an act one key, and each act another', async () => {
    const audit = auditWith();
    await audit.carryOut(act, async () => {});
    await audit.carryOut(act, async () => {});
    const keys = records.map(({ key }) => key);
    expect([keys[0], keys[2]]).toEqual([keys[1], keys[3]]);
    expect(keys[0]).not.toBe(keys[2]);
    expect(new Set(records.map(({ headers }) => headers.ce_id)).size).toBe(4);
  });

  it('does nothing when the beginning cannot be written', async () => {
    const audit = auditWith(async () => {
      throw new Error('Kafka is away');
    });
    let isDone = false;
    const acting = audit.carryOut(act, async () => {
      isDone = true;
    });
    await expect(acting).rejects.toMatchObject({ code: 'unaudited' });
    await expect(acting).rejects.toThrow('Nothing was done, because the audit topic');
    await expect(acting).rejects.toThrow('Kafka is away');
    expect([isDone, lines]).toEqual([false, []]);
  });

  it('says in the log when the end cannot be written, and the act stands', async () => {
    const audit = auditWith(async (record) => {
      if (records.push(record) === 2) throw new Error('Kafka is away');
    });
    expect(await audit.carryOut(act, async () => 'result')).toBe('result');
    expect(lines.map(({ level }) => level)).toEqual(['info', 'error']);
    expect(lines[1]?.text).toMatch(/redrive by ann@desk: succeeded.*Kafka is away.*"t\/0\/0"/);
  });

  it('has the reason when the work fails, and passes the error on', async () => {
    const acting = auditWith().carryOut(act, async (report) => {
      report.done('t/0/0');
      throw new Error('x'.repeat(2_000));
    });
    await expect(acting).rejects.toThrow('xxx');
    const done = { count: 1, first: ['t/0/0'] };
    expect(written()[1]).toMatchObject({ state: 'failed', why: 'x'.repeat(1_000), done });
  });

  it('has failed when the work says so, with the first reason', async () => {
    await auditWith().carryOut(act, async (report) => {
      report.failed('one failed again');
      report.failed('another failed again');
    });
    expect(written()[1]).toMatchObject({ state: 'failed', why: 'one failed again' });
  });

  it('is interrupted when the work fails after its signal', async () => {
    const interruption = new AbortController();
    const acting = auditWith().carryOut(
      act,
      async () => {
        interruption.abort(new Error('Interrupted'));
        interruption.signal.throwIfAborted();
      },
      interruption.signal,
    );
    await expect(acting).rejects.toThrow('Interrupted');
    expect(written()[1]).toMatchObject({ state: 'interrupted', why: 'Interrupted' });
  });

  it('names a hundred things, and counts all of them', async () => {
    const on = names(101);
    await auditWith().carryOut({ ...act, on }, async (report) => {
      for (const name of on) report.done(name);
    });
    const things = { count: 101, first: names(100) };
    expect(written()).toMatchObject([{ on: things }, { on: things, done: things }]);
  });
});

describe('the writer of the audit topic', () => {
  it('looks for its topic until the topic is there, and then no more', async () => {
    const calls: string[] = [];
    const broker = {
      ensureTopics: async () => {
        if (calls.push('look') === 1) throw new Error('missing');
      },
      publish: async (topic: string) => {
        calls.push(topic);
        return [];
      },
    };
    const topic = { name: 'audit', partitions: 1, maxMessageBytes: 1_000 };
    const write = auditWriter(broker, topic, false);
    const record = { key: null, value: null, headers: {} };
    await expect(write(record)).rejects.toThrow('missing');
    await write(record);
    await write(record);
    expect(calls).toEqual(['look', 'look', 'audit', 'audit']);
  });
});
