import { expect, it } from 'vitest';
import { encodeDeadLetter } from '../../../src/dead-letters/encode-dead-letter.ts';
import { readAnsweredCommands } from '../../../src/replay/silent-commands.ts';
import type { Broker } from '../../../src/service-layer/broker.ts';
import type { ReceivedRecord } from '../../../src/service-layer/records.ts';

const plan = {
  commandsTopic: 'commands',
  deadLettersTopic: 'dead',
  positions: [{ topic: 'commands', partition: 0, nextOffset: 1 }],
};
const position = { topic: 'commands', partition: 0, offset: 0, timestampMs: 0, key: null };

/** Fakes the topics after one command has failed that came with this count of redrives. */
function topicsWith(redrives: string): Broker {
  const value = Buffer.from(
    JSON.stringify({ id: 'cmd', type: 'DeallocateOrder', orderid: 'order' }),
  );
  const command: ReceivedRecord = {
    ...position,
    value,
    headers: { 'dead-letter-redrives': redrives },
  };
  const parked = { id: 'cmd', skus: [], behind: [], position: 1 };
  const why = {
    reason: 'handler-failed',
    message: 'a bug',
    attempts: 4,
    failedAt: new Date(0).toISOString(),
    parked,
  } as const;
  const letter = {
    ...position,
    topic: 'dead',
    ...encodeDeadLetter(command, why, 1_000_000),
  } as ReceivedRecord;
  const broker: Partial<Broker> = {
    offsetRanges: async () => [{ partition: 0, beginning: 0, end: 1 }],
    isCompacted: async () => false,
    read: async (topic, [range], take) => {
      const records = topic === 'dead' ? [letter] : [command];
      await take({ partition: range?.partition ?? 0, records, nextOffset: 1 });
    },
  };
  return broker as Broker;
}

it.each(['0', '1', '1e3', '0x10', '9999999', ''])(
  'a rebuild takes no failed command as answered with the redrive count "%s"',
  async (redrives) => {
    const answered: string[] = [];
    const take = async (identities: readonly string[]) => void answered.push(...identities);
    await readAnsweredCommands(topicsWith(redrives), plan, take, new AbortController().signal);
    expect(answered).toEqual([]);
  },
);
