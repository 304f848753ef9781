import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import type { LaneContext } from '../../../src/entrypoints/lane-context.ts';
import { LaneOffsets } from '../../../src/entrypoints/lane-offsets.ts';
import { publishLeftBehind } from '../../../src/entrypoints/left-behind.ts';
import type { TransactionalProducer } from '../../../src/service-layer/broker.ts';
import type { OutboxRecord, WaitingRecords } from '../../../src/service-layer/lane-store.ts';
import type { PartitionOffset } from '../../../src/service-layer/records.ts';

const LANE = { topic: 'commands', partition: 0 };
const OTHER = { topic: 'commands', partition: 1 };
const MEBIBYTE = 1024 * 1024;

interface Row {
  readonly nextOffset: number;
  readonly restsOn?: readonly PartitionOffset[];
  readonly bytes?: number;
}

/** Makes rows of one record each. The record answers the command before `nextOffset`. */
const waiting = ({ nextOffset, restsOn = [], bytes = 10 }: Row): WaitingRecords => ({
  records: [{ sourceOffset: nextOffset - 1, encoded: Buffer.alloc(bytes) } as OutboxRecord],
  nextOffset,
  restsOn,
});

/** Publishes what is left behind of the commands from 0 on and below `end`. */
function publish(rows: readonly Row[], end: number, published = new LaneOffsets(askNobody)) {
  const transactions: { readonly answers: readonly number[]; readonly nextOffset: number }[] = [];
  const producer: Pick<TransactionalProducer, 'publish'> = {
    publish: async (records, position) =>
      void transactions.push({
        answers: (records as readonly OutboxRecord[]).map(({ sourceOffset }) => sourceOffset),
        nextOffset: position?.nextOffset ?? -1,
      }),
  };
  const context = {
    group: 'group',
    published,
    log: pino({ level: 'silent' }),
    store: {
      readOutbox: async (_: unknown, from: number) =>
        rows.map(waiting).find(({ nextOffset }) => nextOffset > from) ?? null,
      deleteOutbox: async () => {},
    },
  } as unknown as LaneContext;
  const publishing = publishLeftBehind(
    LANE,
    0,
    end,
    producer as TransactionalProducer,
    context,
    new AbortController().signal,
  );
  return { transactions, publishing };
}

const askNobody = async () => [];

describe('the rows that a lane has left behind', () => {
  it('go out in one transaction if they wait for nobody', async () => {
    const { transactions, publishing } = publish(
      [{ nextOffset: 1 }, { nextOffset: 2 }, { nextOffset: 3 }],
      3,
    );
    await publishing;
    expect(transactions).toEqual([{ answers: [0, 1, 2], nextOffset: 3 }]);
  });

  it('go out up to the row that rests on what another lane has not published', async () => {
    const published = new LaneOffsets(askNobody);
    const { transactions, publishing } = publish(
      [{ nextOffset: 1 }, { nextOffset: 2, restsOn: [{ ...OTHER, nextOffset: 7 }] }],
      2,
      published,
    );
    await expect.poll(() => transactions).toEqual([{ answers: [0], nextOffset: 1 }]);
    published.note({ ...OTHER, nextOffset: 7 });
    await publishing;
    expect(transactions.slice(1)).toEqual([{ answers: [1], nextOffset: 2 }]);
  });

  it('go out together if all rest on what another lane has published', async () => {
    const published = new LaneOffsets(askNobody);
    published.note({ ...OTHER, nextOffset: 7 });
    const restsOn = [{ ...OTHER, nextOffset: 7 }];
    const { transactions, publishing } = publish(
      [
        { nextOffset: 1, restsOn },
        { nextOffset: 2, restsOn },
      ],
      2,
      published,
    );
    await publishing;
    expect(transactions).toEqual([{ answers: [0, 1], nextOffset: 2 }]);
  });

  it('go out in several transactions if they are large', async () => {
    const rows = [1, 2, 3, 4, 5].map((nextOffset) => ({ nextOffset, bytes: 0.9 * MEBIBYTE }));
    const { transactions, publishing } = publish(rows, 5);
    await publishing;
    expect(transactions.map(({ nextOffset }) => nextOffset)).toEqual([4, 5]);
  });

  it('go out before very many of them are read', async () => {
    const rows = Array.from({ length: 450 }, (_, index) => ({ nextOffset: index + 1 }));
    const { transactions, publishing } = publish(rows, 450);
    await publishing;
    expect(transactions.map(({ nextOffset }) => nextOffset)).toEqual([200, 400, 450]);
  });

  it('move the offset past commands without an answer', async () => {
    const { transactions, publishing } = publish([{ nextOffset: 1 }], 4);
    await publishing;
    expect(transactions).toEqual([{ answers: [0], nextOffset: 4 }]);
  });
});
