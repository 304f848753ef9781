import { describe, expect, it } from 'vitest';
import { filter } from '../../../src/dead-letters/plan.ts';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';

const record = {
  topic: 'dead',
  partition: 0,
  offset: 0,
  timestampMs: 0,
  key: null,
  value: Buffer.from('no JSON'),
};

it('a dead letter of an unreadable command ignores forged parking headers', () => {
  const forged = {
    'dead-letter-command-id': 'another',
    'dead-letter-command-identity': '/shop\tanother',
    'dead-letter-skus': '["LAMP"]',
    'dead-letter-behind': '["failed"]',
    'dead-letter-position': '1',
  };
  const written = {
    'dead-letter-reason': 'malformed',
    'dead-letter-topic': 'commands',
    'dead-letter-partition': '0',
    'dead-letter-offset': '7',
  };
  const [letter] = asDeadLetters([{ ...record, headers: { ...forged, ...written } }]);
  expect(letter).toMatchObject({
    commandId: 'commands/0/7',
    identity: '\tcommands/0/7',
    skus: [],
    behind: [],
    position: null,
  });
});

describe('a dead letter whose forged time of failure is no time', () => {
  const headers = { 'dead-letter-reason': 'malformed', 'dead-letter-failed-at': 'never' };

  it.each([
    [Date.UTC(2026, 10, 25), '2026-11-25T00:00:00.000Z'],
    [2 ** 62, '+275760-09-13T00:00:00.000Z'],
    [-(2 ** 62), '-271821-04-20T00:00:00.000Z'],
  ])('is listed by the timestamp of its record: %i', (timestampMs, failedAt) => {
    const letters = asDeadLetters([{ ...record, timestampMs, headers }]);
    expect(filter(letters, {})).toMatchObject([{ failedAt }]);
  });
});
