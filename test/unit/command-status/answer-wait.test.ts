import { expect, it } from 'vitest';
import { AnswerWait } from '../../../src/command-status/answer-wait.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';
import { eventually } from '../../support/eventually.ts';

const place = { topic: 'commands', partition: 1, offset: 7 };
const never = new AbortController().signal;

it('ends when the committed offset has moved past the command', async () => {
  let committed: number | null = null;
  const wait = new AnswerWait({ committedOffsets: async () => [9, committed] }, 'group', 'c');
  const waiting = wait.for(place, never);
  committed = 7;
  await new Promise(setImmediate);
  committed = 8;
  expect(await waiting).toBe(true);
  expect(wait.count).toBe(0);
});

it('goes on while the log is away', async () => {
  const answers = [() => Promise.reject(new TroubleError('away')), async () => [null, 8]];
  const committedOffsets = () => (answers.shift() ?? (async () => [null, 8]))();
  const wait = new AnswerWait({ committedOffsets }, 'group', 'c');
  expect(await wait.for(place, never)).toBe(true);
});

it('ends without an answer when its signal aborts, before or during the wait', async () => {
  const wait = new AnswerWait({ committedOffsets: async () => [] }, 'group', 'c');
  expect(await wait.for(place, AbortSignal.abort())).toBe(false);
  const leaving = new AbortController();
  const waiting = wait.for(place, leaving.signal);
  leaving.abort();
  expect(await waiting).toBe(false);
});

it('asks once for all who wait, and not at all while nobody waits', async () => {
  let questions = 0;
  let committed = 0;
  const committedOffsets = async () => {
    questions += 1;
    return [committed, committed];
  };
  const wait = new AnswerWait({ committedOffsets }, 'group', 'c');
  const all = Array.from({ length: 100 }, () => wait.for(place, never));
  await eventually(() => expect(questions).toBeGreaterThan(1));
  committed = 8;
  await Promise.all(all);
  const asked = questions;
  expect(asked).toBeLessThan(100);
  await new Promise((resolve) => setTimeout(resolve, 60));
  expect(questions).toBeLessThanOrEqual(asked + 1);
});
