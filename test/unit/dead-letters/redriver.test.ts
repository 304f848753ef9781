import { expect, it, vi } from 'vitest';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';
import { Redriver } from '../../../src/dead-letters/redriver.ts';

it('a redrive that is interrupted before it begins decides nothing', async () => {
  const letters = asDeadLetters([
    {
      topic: 'dead',
      partition: 0,
      offset: 0,
      timestampMs: 0,
      key: null,
      value: Buffer.from('{"type":"DeallocateOrder","orderid":"o1"}'),
      headers: { 'dead-letter-reason': 'handler-failed', 'dead-letter-position': '1' },
    },
  ]);
  const release = vi.fn();
  const publish = vi.fn();
  const redriver = new Redriver({
    broker: {
      publish,
      read: vi.fn(),
      offsetRanges: vi.fn(),
      committedOffsets: vi.fn(),
    },
    config: { commandsTopic: 'commands', deadLettersTopic: 'dead', groupId: 'group' },
    release,
    edit: null,
    by: 'operator@here',
    signal: AbortSignal.abort(new Error('Interrupted')),
    listener: { onResolved() {}, onFailedAgain() {}, onUnanswered() {} },
  });
  await expect(redriver.carryOut({ redrive: letters, discard: [], refused: [] })).rejects.toThrow(
    'Interrupted',
  );
  expect(release).not.toHaveBeenCalled();
  expect(publish).not.toHaveBeenCalled();
});
