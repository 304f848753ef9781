import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WatchdogRun } from '../../support/watchdog-run.ts';

describe('The watchdog', () => {
  let run: WatchdogRun;

  beforeEach(() => {
    run = new WatchdogRun();
  });

  afterEach(() => run.close());

  it('reports a lane once that leaves a record unread for 30 s', async () => {
    run.append(0, 5);
    await run.pass(30);
    expect([run.watchdog.stuckPartitions.size, run.watchdog.problems()]).toEqual([0, []]);
    await run.pass(10);
    const sentence = expect.stringMatching(
      /^Partition 0 is stuck: it has stood at offset 5 for 3\d s, and records below offset 6 wait$/,
    );
    expect([run.watchdog.stuckPartitions.size, run.watchdog.problems()]).toEqual([1, [sentence]]);
    await run.pass(120);
    expect([run.log, run.reads]).toEqual([[sentence], [0]]);
  });

  it('does not call a paused lane stuck, and gives it 30 s again once it is resumed', async () => {
    const pause = { by: 'the operator', at: '2027-01-15T09:30:00.000Z', reason: 'wrong prices' };
    run.append(0, 5);
    await run.pass(40);
    expect(run.watchdog.stuckPartitions.size).toBe(1);
    run.change(0, { pause });
    await run.pass(300);
    expect([run.watchdog.stuckPartitions.size, run.watchdog.problems()]).toEqual([0, []]);
    run.change(0, { pause: null });
    await run.pass(30);
    expect(run.watchdog.stuckPartitions.size).toBe(0);
    await run.pass(10);
    expect(run.watchdog.stuckPartitions.size).toBe(1);
  });

  it('knows when the command was sent before which a lane is stuck', async () => {
    run.append(0, 5);
    await run.pass(30);
    expect(run.watchdog.headSentMs(0)).toBeNull();
    await run.pass(10);
    expect([run.watchdog.headSentMs(0), run.watchdog.headSentMs(1)]).toEqual([5, null]);
    run.change(0, { nextOffset: 6, readBelowOffset: 6 });
    expect(run.watchdog.headSentMs(0)).toBeNull();
  });

  it('reports once that a stuck lane moves again', async () => {
    run.append(0, 5);
    await run.pass(40);
    run.change(0, { nextOffset: 6, readBelowOffset: 6 });
    expect(run.watchdog.stuckPartitions.size).toBe(0);
    await run.pass(60);
    expect([run.watchdog.problems(), run.log.slice(1)]).toEqual([
      [],
      ['Partition 0 moves again, at offset 6'],
    ]);
  });

  it('does not report a lane that moves now and then, however much lies before it', async () => {
    run.ends[0] = 1_000;
    run.records[0] = Array.from({ length: 1_000 }, (_, offset) => offset);
    for (let offset = 6; offset < 20; offset += 1) {
      await run.pass(20);
      run.change(0, { nextOffset: offset });
    }
    expect([run.watchdog.problems(), run.reads]).toEqual([[], []]);
  });

  it('does not report a lane that reads on while its position stands', async () => {
    run.ends[0] = 1_000;
    run.records[0] = Array.from({ length: 1_000 }, (_, offset) => offset);
    for (let offset = 6; offset < 12; offset += 1) {
      await run.pass(20);
      run.change(0, { readBelowOffset: offset });
    }
    expect([run.watchdog.problems(), run.reads]).toEqual([[], []]);
    await run.pass(40);
    expect(run.watchdog.stuckPartitions.size).toBe(1);
  });

  it('gives a record that comes behind markers 30 s of its own', async () => {
    run.ends[0] = 6;
    await run.pass(30);
    run.append(0, 6);
    await run.pass(25);
    expect(run.watchdog.problems()).toEqual([]);
    await run.pass(40);
    expect(run.watchdog.problems()).toHaveLength(1);
  });

  it('does not report a lane that waits for other lanes as long as those move', async () => {
    run.append(0, 5);
    const wait = { lanes: 'commands/1 stands at 7 of 90', partitions: [1], moves: 0 };
    for (; wait.moves < 10; wait.moves += 1) {
      run.change(0, { awaited: { ...wait } });
      await run.pass(20);
    }
    expect([run.watchdog.problems(), run.reads]).toEqual([[], []]);
    await run.pass(25);
    expect(run.watchdog.problems()[0]).toContain(
      '(it waits for other lanes: commands/1 stands at 7 of 90)',
    );
  });

  it('reads nothing for a lane if retention has deleted all records before it', async () => {
    run.offsetRanges = async () => [{ partition: 0, beginning: 8, end: 8 }];
    await run.pass(60);
    expect([run.watchdog.problems(), run.reads]).toEqual([[], []]);
    run.offsetRanges = async () => [{ partition: 0, beginning: 8, end: 9 }];
    run.records[0] = [8];
    await run.pass(40);
    expect([run.watchdog.stuckPartitions.size, run.reads]).toEqual([1, [0]]);
  });

  it('does not report a lane with only markers before it, and reads them once', async () => {
    run.ends[0] = 6;
    await run.pass(300);
    expect([run.watchdog.problems(), run.reads]).toEqual([[], [0]]);
    run.append(0, 6);
    await run.pass(20);
    expect(run.watchdog.problems()).toEqual([]);
    await run.pass(20);
    expect(run.watchdog.problems()).toHaveLength(1);
  });

  it('reports a lane that has not opened, with the reason', async () => {
    run.lanes = [
      {
        partition: 1,
        nextOffset: null,
        readBelowOffset: 0,
        problem: 'the database is away',
        awaited: null,
        publishing: null,
        pause: null,
      },
    ];
    run.append(1, 7);
    await run.pass(40);
    expect(run.watchdog.problems()).toEqual([expect.stringContaining('it has not opened for 3')]);
    expect(run.watchdog.problems()).toEqual([
      expect.stringContaining('below offset 8 wait (the database is away)'),
    ]);
  });

  it('does not report a lane that has not opened if everything is answered', async () => {
    run.records[1] = [0, 1, 2, 3, 4, 5, 6];
    run.lanes = [
      {
        partition: 1,
        nextOffset: null,
        readBelowOffset: 0,
        problem: 'the database is away',
        awaited: null,
        publishing: null,
        pause: null,
      },
    ];
    await run.pass(60);
    expect(run.watchdog.problems()).toEqual([]);
  });

  it('reports that a stuck lane was closed, and forgets the lane', async () => {
    run.append(0, 5);
    await run.pass(40);
    run.lanes = [];
    await run.pass(5);
    expect([run.watchdog.problems(), run.log.slice(1)]).toEqual([
      [],
      ['Partition 0 was stuck, and its lane has closed'],
    ]);
  });

  it('reports a lane that opens again and again at the same offset', async () => {
    run.append(0, 5);
    for (let times = 0; times < 3; times += 1) {
      run.lanes = [
        {
          partition: 0,
          nextOffset: null,
          readBelowOffset: 0,
          problem: 'the lane is opening',
          awaited: null,
          publishing: null,
          pause: null,
        },
      ];
      await run.pass(5);
      run.lanes = [
        {
          partition: 0,
          nextOffset: 5,
          readBelowOffset: 6,
          problem: null,
          awaited: null,
          publishing: null,
          pause: null,
        },
      ];
      await run.pass(5);
    }
    // The first lane had not read the record, but the second one had. That was a move.
    expect(run.watchdog.stuckPartitions.size).toBe(0);
    await run.pass(10);
    expect(run.watchdog.stuckPartitions.size).toBe(1);
  });

  it('reads for at most four lanes at a time', async () => {
    run.isReaderHanging = true;
    run.lanes = [0, 1, 2, 3, 4, 5].map((partition) => ({
      partition,
      nextOffset: null,
      readBelowOffset: 0,
      problem: null,
      awaited: null,
      publishing: null,
      pause: null,
    }));
    run.records = run.lanes.map(() => [0]);
    run.ends = run.lanes.map(() => 1);
    run.committed = [];
    await run.pass(40);
    expect(run.reads).toEqual([0, 1, 2, 3]);
  });

  it('is not ready if the log has not answered for 30 s, whether it fails or hangs', async () => {
    run.offsetRanges = () => new Promise(() => {});
    await run.pass(20);
    expect(run.watchdog.problems()).toEqual([]);
    await run.pass(15);
    expect(run.watchdog.problems()).toEqual([
      'The log has not answered for 35 s: no answer within 10 s',
    ]);
    expect(run.questions).toBeGreaterThan(1);
    run.offsetRanges = async () => Promise.reject(new Error('connection refused'));
    await run.pass(15);
    expect(run.watchdog.problems()).toEqual([
      'The log has not answered for 50 s: connection refused',
    ]);
    run.offsetRanges = async () => [];
    await run.pass(15);
    expect(run.watchdog.problems()).toEqual([]);
  });

  it('does not report a lane while the log cannot be read, and tries again', async () => {
    run.isReaderHanging = true;
    run.append(0, 5);
    await run.pass(60);
    expect([run.watchdog.problems(), run.reads]).toEqual([[], [0, 0]]);
    run.isReaderHanging = false;
    await run.pass(20);
    expect(run.watchdog.problems()).toHaveLength(1);
  });

  it('asks one question for all lanes together', async () => {
    await run.pass(60);
    expect(run.questions).toBe(12);
  });

  it('counts from the beginning if the process itself stood still', async () => {
    run.append(0, 5);
    await run.pass(5);
    vi.setSystemTime(Date.now() + 3_600_000);
    await run.pass(5);
    expect(run.watchdog.problems()).toEqual([]);
    await run.pass(20);
    expect(run.watchdog.problems()).toEqual([]);
    await run.pass(20);
    expect(run.watchdog.problems()).toHaveLength(1);
  });
});
