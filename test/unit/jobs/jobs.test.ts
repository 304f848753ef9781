import { beforeEach, describe, expect, it } from 'vitest';
import { JobRunningError, NoMoreJobsError } from '../../../src/jobs/errors.ts';
import type { JobWork } from '../../../src/jobs/job.ts';
import { Jobs } from '../../../src/jobs/jobs.ts';
import { eventually } from '../../support/eventually.ts';

/** Work that goes on until the test ends it, or the job is cancelled. */
function openWork() {
  const { promise: ended, resolve: end, reject: fail } = Promise.withResolvers<object>();
  const work: JobWork = async (control) => {
    control.expect(3);
    control.advance(1);
    control.say('One is done');
    control.signal.addEventListener('abort', () => fail(control.signal.reason));
    return ended;
  };
  return { work, end, fail };
}

describe('Jobs', () => {
  let jobs: Jobs;
  beforeEach(() => {
    jobs = new Jobs();
  });

  /** Resolves when the job has ended. */
  const ended = (id: string) =>
    eventually(async () => {
      const job = jobs.find(id);
      if (!job || job.state === 'running') throw new Error(`${id} still runs`);
      return job;
    });

  it('tell how far a job is while it runs', () => {
    const { id } = jobs.start('replay verify', 'ada', openWork().work);
    expect(jobs.find(id)).toMatchObject({
      act: 'replay verify',
      by: 'ada',
      state: 'running',
      done: 1,
      total: 3,
      message: 'One is done',
      endedAt: null,
      result: null,
    });
    expect(jobs.running?.id).toBe(id);
  });

  it('keep the result of a job that is done', async () => {
    const { work, end } = openWork();
    const { id } = jobs.start('replay verify', 'ada', work);
    end({ differences: 0 });
    expect(await ended(id)).toMatchObject({ state: 'done', result: { differences: 0 } });
    expect(jobs.find(id)?.endedAt).toMatch(/Z$/);
    expect(jobs.running).toBeNull();
  });

  it('say why a job has failed', async () => {
    const { work, fail } = openWork();
    const { id } = jobs.start('replay verify', 'ada', work);
    fail(new Error('Kafka is away'));
    expect(await ended(id)).toMatchObject({ state: 'failed', message: 'Kafka is away' });
  });

  it('refuse a second job, name the first, and start the second after it', async () => {
    const { work, end } = openWork();
    const first = jobs.start('replay verify', 'ada', work);
    const second = () => jobs.start('dead-letters redrive', 'grace', async () => ({}));
    expect(second).toThrow(JobRunningError);
    expect(second).toThrow(`${first.id} (replay verify by ada)`);
    end({});
    await ended(first.id);
    expect(await ended(second().id)).toMatchObject({ state: 'done', by: 'grace' });
  });

  it('end a cancelled job at its next safe point, and say who has cancelled it', async () => {
    const { id } = jobs.start('replay verify', 'ada', openWork().work);
    expect(jobs.cancel(id, 'grace')?.id).toBe(id);
    expect(await ended(id)).toMatchObject({
      state: 'cancelled',
      message: 'Cancelled by grace',
      done: 1,
      result: null,
    });
  });

  it('leave a job that has ended as it is when somebody cancels it', async () => {
    const { id } = jobs.start('replay verify', 'ada', async () => ({ differences: 0 }));
    const done = await ended(id);
    expect(jobs.cancel(id, 'grace')).toEqual(done);
  });

  it('know no job that was never there', () => {
    expect(jobs.find('nowhere')).toBeNull();
    expect(jobs.cancel('nowhere', 'grace')).toBeNull();
  });

  it('keep the last 50 jobs that have ended', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 52; n += 1) {
      const { id } = jobs.start('replay verify', 'ada', async () => ({ n }));
      ids.push(id);
      await ended(id);
    }
    expect(jobs.find(ids[0] ?? '')).toBeNull();
    expect(jobs.find(ids[1] ?? '')?.result).toEqual({ n: 1 });
  });

  it('cancel the running job and start none when the service closes', async () => {
    const { id } = jobs.start('replay verify', 'ada', openWork().work);
    await jobs.close();
    expect(jobs.find(id)).toMatchObject({ state: 'cancelled' });
    expect(() => jobs.start('replay verify', 'ada', async () => ({}))).toThrow(NoMoreJobsError);
  });
});
