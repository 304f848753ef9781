import { getEventListeners } from 'node:events';
import pino from 'pino';
import { beforeEach, describe, expect, it } from 'vitest';
import { NewerDatabaseError } from '../../../src/adapters/database/errors.ts';
import { StartStep } from '../../../src/entrypoints/start-step.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';

const REFUSED = new TroubleError('connection refused');
const STARTING = new TroubleError('the server is starting');

describe('A step of the start', () => {
  let logged: string[];
  let attempts: number;
  beforeEach(() => {
    logged = [];
    attempts = 0;
  });

  const log = pino({}, { write: (line: string) => void logged.push(JSON.parse(line).msg) });
  /** Makes a step whose attempts end with these errors. Later attempts succeed. */
  const stepThat = (...errors: readonly Error[]) => {
    const act = async () => {
      const error = errors[attempts];
      attempts += 1;
      if (error) throw error;
    };
    return new StartStep({ beginning: 'Waiting for it', act, log });
  };
  const never = new AbortController().signal;

  it('is tried again after trouble, until it succeeds', async () => {
    const step = stepThat(REFUSED, STARTING);
    await step.run(never);
    expect([attempts, step.problem]).toEqual([3, null]);
    step.mustBeDone();
  });

  it('logs each problem once, although the problems take turns', async () => {
    await stepThat(REFUSED, STARTING, REFUSED, STARTING).run(never);
    expect(logged).toEqual([
      'Waiting for it: connection refused',
      'Waiting for it: the server is starting',
    ]);
  });

  it('says what it waits for, and refuses work that needs it', async () => {
    const stopping = new AbortController();
    const step = stepThat(REFUSED);
    const running = step.run(stopping.signal);
    expect(step.problem).toBe('Waiting for it: no answer yet');
    await expect.poll(() => step.problem).toBe('Waiting for it: connection refused');
    expect(() => step.mustBeDone()).toThrow(TroubleError);
    expect(() => step.mustBeDone()).toThrow('Waiting for it: connection refused');
    stopping.abort();
    await running;
  });

  it('is given up at an error that time does not mend', async () => {
    for (const error of [new NewerDatabaseError('the database', ['next']), new Error('a bug')]) {
      attempts = 0;
      await expect(stepThat(error).run(never)).rejects.toBe(error);
      expect(attempts).toBe(1);
    }
    expect(logged).toEqual([]);
  });

  it('ends without an error when the service stops while it waits', async () => {
    const stopping = new AbortController();
    const step = stepThat(...Array<Error>(100).fill(REFUSED));
    const running = step.run(stopping.signal);
    await expect.poll(() => attempts).toBe(2);
    stopping.abort();
    await running;
    expect(attempts).toBe(2);
  });

  it('leaves no listener behind, however often it is tried', async () => {
    const { signal } = new AbortController();
    const counts: number[] = [];
    const act = async () => {
      counts.push(getEventListeners(signal, 'abort').length);
      if (counts.length < 5) throw REFUSED;
    };
    await new StartStep({ beginning: 'Waiting for it', act, log }).run(signal);
    expect(counts).toEqual([0, 0, 0, 0, 0]);
  });

  it('is not tried again once it is done', async () => {
    const step = stepThat();
    await step.attempt();
    await step.attempt();
    await step.run(never);
    expect(attempts).toBe(1);
  });
});
