import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  AccessError,
  AllocationClient,
  CommandSource,
  ProblemError,
  RefusedCommandError,
  UnavailableError,
  UnexpectedAnswerError,
  UnreachableError,
} from '../src/index.ts';
import { FakeService, json, problem, silence } from './fake-service.ts';
import { composite } from './records.ts';

const shop = new CommandSource('/shop');
const command = shop.allocateOrder({ orderid: 'o', sku: 'LAMP', qty: 2 }, { id: 'cmd-1' });
const place = { topic: 'allocation.commands', partition: 0, offset: 7 };
const accepted = { id: 'cmd-1', ...place };
const { events } = JSON.parse(composite().value ?? '');
const answered = { ...accepted, status: 'answered', events, advice: 'unknown-sku: Check it.' };
const letter = {
  ...accepted,
  status: 'dead-letter',
  reason: 'handler-failed',
  message: 'The handler has a bug',
  advice: 'Wait for an operator.',
  letter: 'allocation.dead-letters/0/1',
  resolution: null,
  resolvedAt: null,
};

function clientOf(service: FakeService, token?: string | (() => Promise<string>)) {
  return new AllocationClient({ url: 'http://localhost:8080/', token, fetch: service.fetch });
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Lets all pauses pass while the work goes on. */
async function settled<T>(work: Promise<T>): Promise<T> {
  // The test handles the rejection below.
  work.catch(() => {});
  await vi.runAllTimersAsync();
  return work;
}

describe('Sending a command', () => {
  it('posts the CloudEvent with the token, and says where the log has it', async () => {
    const service = new FakeService(json(202, accepted), json(202, accepted));
    expect(await clientOf(service, 'secret').send(command)).toEqual(accepted);
    expect(await clientOf(service, async () => 'fresh').send(command)).toEqual(accepted);
    const asked = {
      method: 'POST',
      url: 'http://localhost:8080/commands',
      headers: { 'content-type': 'application/cloudevents+json', authorization: 'Bearer secret' },
      body: command,
    };
    const headers = { ...asked.headers, authorization: 'Bearer fresh' };
    expect(service.asked).toEqual([asked, { ...asked, headers }]);
  });

  it('repeats the same command while the service is away or busy', async () => {
    const service = new FakeService(
      new TypeError('fetch failed', { cause: new Error('connect ECONNREFUSED') }),
      problem(503, {}, { 'retry-after': '2' }),
      problem(429, {}, { 'retry-after': '1' }),
      new Response('<html>', { status: 502 }),
      json(202, accepted),
    );
    const begunMs = Date.now();
    expect(await settled(clientOf(service).send(command))).toEqual(accepted);
    expect(service.asked.map(({ body }) => body)).toEqual(Array(5).fill(command));
    // It waits as long as the service wants, and a moment after the other failures.
    expect(Date.now() - begunMs).toBeGreaterThan(3_000);
    expect(Date.now() - begunMs).toBeLessThan(3_000 + 5_000);
  });

  it('gives up after five attempts', async () => {
    const away = new FakeService(...Array(9).fill(new TypeError('fetch failed')));
    const sent = settled(clientOf(away).send(command));
    await expect(sent).rejects.toThrow(UnreachableError);
    await expect(sent).rejects.toThrow('POST http://localhost:8080/');
    expect(away.asked).toHaveLength(5);
    const busy = new FakeService(...Array.from({ length: 9 }, () => problem(503)));
    await expect(settled(clientOf(busy).send(command))).rejects.toThrow(UnavailableError);
    expect(busy.asked).toHaveLength(5);
  });

  it('repeats an attempt that has no answer for 30 s', async () => {
    const service = new FakeService(silence, json(202, accepted));
    expect(await settled(clientOf(service).send(command))).toEqual(accepted);
  });

  it('does not wait for more than 30 s, whatever the service wants', async () => {
    const busy = problem(503, {}, { 'retry-after': '86400' });
    const service = new FakeService(busy, json(202, accepted));
    const begunMs = Date.now();
    await settled(clientOf(service).send(command));
    expect(Date.now() - begunMs).toBeLessThanOrEqual(31_000);
  });

  it('ends at once when the caller aborts', async () => {
    const abort = new AbortController();
    const { signal } = abort;
    for (const service of [new FakeService(silence), new FakeService(problem(503))]) {
      const sent = clientOf(service).send(command, { signal });
      sent.catch(() => {});
      await vi.advanceTimersByTimeAsync(1);
      abort.abort(new Error('The customer has left'));
      await expect(sent).rejects.toThrow('The customer has left');
    }
    const late = new FakeService();
    await expect(clientOf(late).send(command, { signal })).rejects.toThrow('The customer has left');
    expect(late.asked).toEqual([]);
  });

  it('fails with the fields that the service refuses', async () => {
    const errors = [{ field: 'sku', message: 'is required' }];
    const service = new FakeService(problem(400, { reason: 'invalid-data', errors }));
    const error = await settled(clientOf(service).send(command)).catch((reason) => reason);
    expect(error).toBeInstanceOf(RefusedCommandError);
    expect(error).toMatchObject({
      code: 'refused-command',
      status: 400,
      title: 'Title',
      detail: 'Why it is so',
      reason: 'invalid-data',
      fields: errors,
    });
  });

  it.each([
    [401, {}, AccessError, { role: null }],
    [403, { role: 'publish' }, AccessError, { role: 'publish' }],
    [413, { reason: 'too-large' }, RefusedCommandError, { reason: 'too-large' }],
    [500, {}, ProblemError, { code: 'problem' }],
  ])('fails at once with %d', async (status, members, kind, fields) => {
    const service = new FakeService(problem(status, members));
    const error = await clientOf(service)
      .send(command)
      .catch((reason) => reason);
    expect(error).toBeInstanceOf(kind);
    expect(error).toMatchObject({ status, ...fields });
    expect(service.asked).toHaveLength(1);
  });

  it.each([
    ['text', new Response('hello', { status: 202 })],
    ['another object', json(202, { ok: true })],
    ['a list', new Response('[]', { status: 202 })],
  ])('fails when something answers with %s', async (_, response) => {
    const sent = clientOf(new FakeService(response)).send(command);
    await expect(sent).rejects.toThrow(UnexpectedAnswerError);
  });
});

describe('Waiting for an answer', () => {
  it('returns the events', async () => {
    const service = new FakeService(json(200, answered));
    const outcome = await settled(clientOf(service).sendAndWait(command, { timeoutMs: 4_500 }));
    expect(outcome).toMatchObject({
      status: 'answered',
      ...accepted,
      advice: 'unknown-sku: Check it.',
      repeats: null,
      differs: false,
      events: [{ type: 'Allocated', sequence: 7 }, { type: 'CommandRejected' }],
    });
    expect(service.asked[0]?.headers.prefer).toBe('wait=5');
  });

  it('returns the reason of a dead letter', async () => {
    const service = new FakeService(json(200, letter));
    const { letter: _letter, resolvedAt: _resolvedAt, ...rest } = letter;
    expect(await settled(clientOf(service).sendAndWait(command))).toEqual(rest);
  });

  it('asks for the status once the service no longer waits', async () => {
    const pending = { ...accepted, status: 'pending' };
    const service = new FakeService(
      json(202, pending, { location: '/commands/allocation.commands/0/7' }),
      json(200, pending),
      json(200, answered),
    );
    const outcome = await settled(clientOf(service).sendAndWait(command, { timeoutMs: 60_000 }));
    expect(outcome.status).toBe('answered');
    expect(service.asked[0]?.headers.prefer).toBe('wait=30');
    expect(service.asked[2]?.url).toBe('http://localhost:8080/commands/allocation.commands/0/7');
  });

  it('returns the command as pending when the time is up', async () => {
    const pending = { ...accepted, status: 'pending' };
    const later = () => json(200, pending);
    const service = new FakeService(json(202, pending), ...Array(99).fill(later));
    const begunMs = Date.now();
    const outcome = await settled(clientOf(service).sendAndWait(command, { timeoutMs: 2_000 }));
    expect(outcome).toEqual({ ...accepted, status: 'pending' });
    expect(Date.now() - begunMs).toBe(2_000);
  });

  it('fails on a status that is newer than the client', async () => {
    const service = new FakeService(json(200, { ...accepted, status: 'postponed' }));
    const waited = settled(clientOf(service).sendAndWait(command));
    await expect(waited).rejects.toThrow('The status "postponed" is newer than this client');
  });
});

describe('The status of a command', () => {
  it.each([
    ['its place', place, 'allocation.commands/0/7'],
    ['its place as text', 'allocation.commands/0/7', 'allocation.commands/0/7'],
    ['a location', '/commands/allocation.commands/0/7', 'allocation.commands/0/7'],
    ['its id and source', { id: 'a/b', source: '/shop' }, 'a%2Fb?source=%2Fshop'],
    ['the command itself', command, 'cmd-1?source=%2Fshop'],
    ['an id of plain JSON', { id: 'é' }, '%C3%A9'],
  ])('is found by %s', async (_, name, path) => {
    const service = new FakeService(json(200, answered));
    expect(await clientOf(service).commandStatus(name)).toMatchObject({ status: 'answered' });
    expect(service.asked[0]?.url).toBe(`http://localhost:8080/commands/${path}`);
  });

  it('is waited for, from before the service knows the command', async () => {
    const pending = json(200, { ...accepted, status: 'pending' });
    const service = new FakeService(problem(404), pending, json(200, answered));
    expect(await settled(clientOf(service).waitFor(command))).toMatchObject({ status: 'answered' });
    const asked = new FakeService(json(200, letter));
    expect(await clientOf(asked).waitFor(place)).toMatchObject({ status: 'dead-letter' });
    const silent = new FakeService(...Array(9).fill(() => problem(404)));
    const status = await settled(clientOf(silent).waitFor(command, { timeoutMs: 1_000 }));
    expect(status).toEqual({ status: 'unknown' });
  });

  it('is unknown if the service does not know the command', async () => {
    const service = new FakeService(problem(404));
    expect(await clientOf(service).commandStatus(place)).toEqual({ status: 'unknown' });
  });
});
