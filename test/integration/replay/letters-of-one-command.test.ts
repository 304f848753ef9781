// @module-tag db

import { expect, test } from 'vitest';
import { encodeDeadLetter } from '../../../src/dead-letters/encode-dead-letter.ts';
import { markerRecord } from '../../../src/dead-letters/markers.ts';
import { asDeadLetters } from '../../../src/dead-letters/read-dead-letter.ts';
import { redriveRecord } from '../../../src/dead-letters/redrive-records.ts';
import { readCommand } from '../../../src/messages/read-command.ts';
import { completeParked, readParkedCommands } from '../../../src/replay/parked-commands.ts';
import type { Broker, OffsetRange } from '../../../src/service-layer/broker.ts';
import type { LogRecord, ReceivedRecord } from '../../../src/service-layer/records.ts';
import { describeOnEachDatabase } from '../../support/databases.ts';

const TOPICS = { deadLettersTopic: 'dead', commandsTopic: 'commands', positions: [] };
const ORIGINAL = {
  topic: 'commands',
  partition: 0,
  offset: 0,
  key: null,
  value: Buffer.from('{"type":"AllocateOrder","orderid":"o","sku":"LAMP","qty":1}'),
  headers: {},
};

describeOnEachDatabase('A rebuild of parked commands', (current) => {
  /** Makes a broker with these records. Offsets count within each partition. */
  function brokerOf(
    topics: Readonly<Record<string, readonly (readonly [partition: number, record: LogRecord])[]>>,
  ): Broker {
    const records = Object.entries(topics).flatMap(([topic, all]) =>
      all.map(([partition, record], index): ReceivedRecord => {
        const offset = all.slice(0, index).filter(([other]) => other === partition).length;
        return { topic, partition, offset, timestampMs: 0, ...received(record) };
      }),
    );
    const broker: Pick<Broker, 'offsetRanges' | 'read'> = {
      offsetRanges: async (topic) =>
        [0, 1, 2].map((partition): OffsetRange => {
          const end = records.filter(
            (record) => record.topic === topic && record.partition === partition,
          ).length;
          return { partition, beginning: 0, end };
        }),
      read: async (topic, ranges, take) => {
        for (const { partition, beginning, end } of ranges) {
          const partitionRecords = records.filter(
            (record) => record.topic === topic && record.partition === partition,
          );
          await take({
            partition,
            records: partitionRecords.slice(beginning, end),
            nextOffset: end,
          });
        }
      },
    };
    return broker as Broker;
  }

  const letterOf = (failedAt: string) =>
    encodeDeadLetter(
      ORIGINAL,
      {
        reason: 'handler-failed',
        message: 'm',
        attempts: 1,
        failedAt,
        parked: { id: '\tcommands/0/0', skus: ['LAMP'], behind: [], position: 1 },
      },
      100_000,
    );
  const markerOf = (id: string, resolution: 'redriven' | 'discarded') =>
    markerRecord({ id, key: null }, resolution, 'somebody', new Date(0));

  async function rebuilt(broker: Broker) {
    const database = await current.database();
    const letters = await readParkedCommands(broker, TOPICS, new AbortController().signal);
    return database.transaction((sql) => completeParked(sql, database.dialect, letters));
  }

  test('goes by the dead letter that failed last, in any partition', async () => {
    const [first, second] = [letterOf('2026-11-27T00:00:01Z'), letterOf('2026-11-27T00:00:02Z')];
    const discarded = markerOf('dead/2/0', 'discarded');
    expect(
      await rebuilt(
        brokerOf({
          dead: [
            [2, first],
            [0, second],
            [1, discarded],
          ],
        }),
      ),
    ).toMatchObject([{ id: '\tcommands/0/0' }]);
    expect(
      await rebuilt(
        brokerOf({
          dead: [
            [2, second],
            [0, first],
            [1, discarded],
          ],
        }),
      ),
    ).toEqual([]);
  });

  test('leaves out a redriven command without an id that the database has answered', async () => {
    const letter = letterOf('2026-11-27T00:00:01Z');
    const dead = [
      [0, letter],
      [0, markerOf('dead/0/0', 'redriven')],
    ] as const;
    const [listed] = asDeadLetters([
      { ...ORIGINAL, topic: 'dead', timestampMs: 0, ...received(letter) },
    ]);
    if (!listed) throw new Error('There is no dead letter');
    const sent = redriveRecord(listed);
    const broker = brokerOf({ dead, commands: [[0, sent]] });
    expect(await rebuilt(broker)).toMatchObject([{ id: '\tcommands/0/0', isRedriven: true }]);
    const read = readCommand({ ...ORIGINAL, ...received(sent) }, 'commands/0/0');
    if (read.kind !== 'command') throw new Error('The redriven record is not a command');
    await (await current.database()).query(
      'insert into processed_commands (id, scope) values (?, 1)',
      [read.identity],
    );
    expect(await rebuilt(broker)).toEqual([]);
  });
});

/** Returns the record as a reader gets it. */
function received({ key, value, headers }: LogRecord) {
  const bytes = Object.entries(headers).flatMap(([name, header]) =>
    header === undefined ? [] : [[name, Buffer.from(String(header))]],
  );
  const asBuffer = (text: string | Buffer | null) => (text === null ? null : Buffer.from(text));
  return { key: asBuffer(key), value: asBuffer(value), headers: Object.fromEntries(bytes) };
}
