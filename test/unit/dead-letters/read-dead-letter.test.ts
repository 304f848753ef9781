import { expect, it } from 'vitest';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';

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
  const record = {
    topic: 'dead',
    partition: 0,
    offset: 0,
    timestampMs: 0,
    key: null,
    value: Buffer.from('no JSON'),
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
