import { describe, expect, it } from 'vitest';
import { LetterFollower } from '../../../../src/dead-letters/letter-follower.ts';
import { HttpApiAlone } from '../../../support/http-api-alone.ts';
import { LetterTopic } from '../../../support/letter-topic.ts';

/** Runs the API on a topic of dead letters in memory. */
async function withApi(
  topic: LetterTopic,
  test: (ask: (path: string, body?: object) => Promise<[number, object]>) => Promise<void>,
): Promise<void> {
  const letters = new LetterFollower(topic, LetterTopic.NAME);
  await using running = await HttpApiAlone.start(
    { read: topic.read, offsetRanges: topic.offsetRanges },
    { letters, deadLettersTopic: LetterTopic.NAME },
  );
  await test(async (path, body) => {
    const answer = await fetch(running.url + path, {
      method: body ? 'POST' : 'GET',
      headers: { ...(body && { 'content-type': 'application/json' }) },
      body: body ? JSON.stringify(body) : null,
    });
    return [answer.status, (await answer.json()) as object];
  });
}

describe('The routes of dead letters', () => {
  it.each([
    ['no choice', {}, 'body'],
    ['two choices', { ids: ['dead/0/0'], all: true }, 'body'],
    ['an empty filter', { filter: {} }, 'filter'],
    ['no ids', { ids: [] }, 'ids'],
    ['an unknown field', { all: true, force: true }, 'force'],
    ['an unknown filter', { filter: { colour: 'red' } }, 'filter.colour'],
    ['an unknown reason', { filter: { reason: 'bad-mood' } }, 'filter.reason'],
    ['a time that is none', { filter: { since: 'yesterday' } }, 'filter.since'],
    ['all, but no', { all: false }, 'all'],
  ])('refuse an act with %s', async (_, body, field) => {
    await withApi(new LetterTopic(), async (ask) => {
      for (const act of ['redrive', 'discard']) {
        const [status, problem] = await ask(`/dead-letters/${act}`, body);
        const { errors } = problem as { errors: { field: string }[] };
        expect([status, errors[0]?.field]).toEqual([400, field]);
      }
    });
  });

  it.each([
    '?status=lost',
    '?reason=bad-mood',
    '?limit=0',
    '?after=x',
    '?since=yesterday',
    '?colour=red',
  ])('refuse a list with %s', async (query) => {
    await withApi(new LetterTopic(), async (ask) => {
      expect((await ask(`/dead-letters${query}`))[0]).toBe(400);
    });
  });

  it('know no letter at another place', async () => {
    const topic = new LetterTopic();
    topic.add();
    await withApi(topic, async (ask) => {
      expect((await ask('/dead-letters/dead%2F0%2F0'))[0]).toBe(200);
      for (const id of ['dead/0/1', 'other/0/0', 'dead/0/00', 'x']) {
        expect((await ask(`/dead-letters/${encodeURIComponent(id)}`))[0]).toBe(404);
        const body = { data: {}, type: 'DeallocateOrder' };
        expect((await ask(`/dead-letters/${encodeURIComponent(id)}/edit`, body))[0]).toBe(404);
        expect((await ask('/dead-letters/redrive', { ids: [id], dryRun: true }))[0]).toBe(404);
      }
    });
  });

  it('refuse an edit whose data says what the service says', async () => {
    const topic = new LetterTopic();
    topic.add();
    await withApi(topic, async (ask) => {
      const data = { type: 'DeallocateOrder', id: 'mine', orderid: 'o' };
      const [status, problem] = await ask('/dead-letters/dead%2F0%2F0/edit', { data });
      expect([status, problem]).toMatchObject([
        400,
        { errors: [{ field: 'data.type' }, { field: 'data.id' }] },
      ]);
    });
  });

  it('refuse an edit whose type nobody can read', async () => {
    const topic = new LetterTopic();
    topic.add();
    await withApi(topic, async (ask) => {
      const edit = '/dead-letters/dead%2F0%2F0/edit';
      const data = { orderid: 'o' };
      expect(await ask(edit, { data })).toMatchObject([400, { reason: 'unknown-type' }]);
      const named = { data, type: 'DeallocateOrder', dryRun: true };
      expect(await ask(edit, named)).toMatchObject([200, { count: 1 }]);
      const newer = { ...named, version: 99 };
      expect(await ask(edit, newer)).toMatchObject([400, { errors: [{ field: 'dataschema' }] }]);
    });
  });

  it('say that a preview leaves out what is resolved, and what may not be sent', async () => {
    const topic = new LetterTopic();
    const [resolved, valueless] = [topic.add(), topic.add({ value: null })];
    topic.resolve(resolved, 'discarded');
    await withApi(topic, async (ask) => {
      const body = { ids: [resolved, valueless], dryRun: true };
      expect(await ask('/dead-letters/redrive', body)).toMatchObject([
        200,
        {
          count: 0,
          alreadyResolved: 1,
          refusalCount: 1,
          refusals: [{ id: valueless, why: expect.stringContaining('has no value to send') }],
        },
      ]);
    });
  });

  it('refuse an act on more letters than the preview had', async () => {
    const topic = new LetterTopic();
    topic.add();
    topic.add();
    await withApi(topic, async (ask) => {
      const body = { all: true, expectedCount: 1 };
      expect(await ask('/dead-letters/discard', body)).toMatchObject([
        409,
        { detail: 'The act would handle 2 letters, not 1: look at a new preview' },
      ]);
    });
  });

  it('answer with what is known while the topic is read', async () => {
    const topic = new LetterTopic();
    topic.add();
    const gate = Promise.withResolvers<void>();
    const { read } = topic;
    topic.read = async (...parameters) => {
      await read(...parameters);
      await gate.promise;
    };
    await withApi(topic, async (ask) => {
      expect(await ask('/dead-letters')).toMatchObject([
        200,
        { total: 1, isComplete: false, readOffsets: 1, totalOffsets: 1 },
      ]);
      expect(await ask('/dead-letters/groups')).toMatchObject([200, { isComplete: false }]);
      expect(await ask('/dead-letters/discard', { all: true })).toMatchObject([
        503,
        { detail: expect.stringContaining('1 of 1 offsets') },
      ]);
      gate.resolve();
    });
  }, 60_000);

  it('name the setting when no topic has the acts of operators', async () => {
    await withApi(new LetterTopic(), async (ask) => {
      expect(await ask('/audit')).toMatchObject([
        404,
        { detail: expect.stringContaining('AUDIT_TOPIC') },
      ]);
    });
  });

  it('know no job that never began', async () => {
    await withApi(new LetterTopic(), async (ask) => {
      expect((await ask('/jobs/x'))[0]).toBe(404);
      expect((await ask('/jobs/x/cancel', {}))[0]).toBe(404);
    });
  });
});
