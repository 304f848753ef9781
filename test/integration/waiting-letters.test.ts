// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import { encodeDeadLetter } from '../../src/dead-letters/encode-dead-letter.ts';
import { markerRecord } from '../../src/dead-letters/markers.ts';
import type { DeadLetter } from '../../src/dead-letters/read-dead-letter.ts';
import { readDeadLetter, readWaitingLetters } from '../../src/dead-letters/waiting-letters.ts';
import type { LogRecord } from '../../src/service-layer/records.ts';

const TOPIC = 'dead-letters';
const MAX_BYTES = 4 * 1024 * 1024;
/** The most dead letters and bytes that one page holds (waiting-letters.ts). */
const PAGE_LETTERS = 2_000;
const PAGE_BYTES = 4 * 1024 * 1024;

describe('The dead letters that wait', () => {
  let database: Database;
  let broker: EmbeddedBroker;

  beforeEach(async () => {
    database = await Database.open('sqlite:///:memory:');
    await database.runMigrations();
    broker = new EmbeddedBroker(database);
    await broker.ensureTopics([{ name: TOPIC, partitions: 3, maxMessageBytes: MAX_BYTES }], true);
  });

  afterEach(async () => {
    await broker.close();
    await database.close();
  });

  /** Makes the dead letter of the command at `offset` that failed after so many seconds. */
  const letter = (offset: number, seconds: number, bytes = 10): LogRecord => {
    const original = {
      topic: 'commands',
      partition: 0,
      offset,
      key: null,
      value: Buffer.alloc(bytes),
      headers: {},
    };
    const failedAt = new Date(Date.UTC(2026, 10, 26) + seconds * 1_000).toISOString();
    return encodeDeadLetter(
      original,
      { reason: 'malformed', message: 'no JSON', attempts: 1, failedAt, parked: null },
      MAX_BYTES,
    );
  };
  /** Publishes the dead letters to the three partitions in turn. */
  const publish = (letters: readonly LogRecord[]) =>
    broker.publish(
      TOPIC,
      letters.map((each, n) => ({ ...each, partition: n % 3 })),
    );
  const pages = async () => {
    const all: (readonly DeadLetter[])[] = [];
    for await (const page of readWaitingLetters(broker, TOPIC)) all.push(page);
    return all;
  };
  const originals = (letters: readonly DeadLetter[]) =>
    letters.map(({ original }) => Number(original.split('/').at(-1)));

  it('come in pages, oldest first and each once, from all partitions', async () => {
    const count = PAGE_LETTERS + 3;
    const letters = Array.from({ length: count }, (_, n) => letter(n, n % 2 === 0 ? n : n - 3));
    await publish(letters);
    const all = await pages();
    expect(all.map(({ length }) => length)).toEqual([PAGE_LETTERS, 3]);
    const times = all.flat().map(({ failedAt }) => failedAt);
    expect(times).toEqual(times.toSorted());
    expect(originals(all.flat()).toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: count }, (_, n) => n),
    );
  }, 60_000);

  it('come in smaller pages when they are large', async () => {
    await publish(Array.from({ length: 5 }, (_, n) => letter(n, n, PAGE_BYTES / 4)));
    expect((await pages()).map(originals)).toEqual([
      [0, 1, 2],
      [3, 4],
    ]);
  });

  it('leave out resolved ones, and a forged marker hides none', async () => {
    await publish([letter(0, 0), letter(1, 1), letter(2, 2)]);
    const [[first, second] = []] = await pages();
    if (!first || !second) throw new Error('There are fewer than two dead letters');
    await broker.publish(TOPIC, [markerRecord(second, 'discarded', 'somebody', new Date())]);
    const forged = { 'dead-letter-resolves': first.id };
    await broker.publish(TOPIC, [
      { ...letter(3, 3), headers: { ...letter(3, 3).headers, ...forged } },
    ]);
    expect((await pages()).map(originals)).toEqual([[0, 2, 3]]);
  });

  it('can be read one by one with their resolution', async () => {
    await publish([letter(0, 0), letter(1, 1)]);
    const [[first] = []] = await pages();
    if (!first) throw new Error('There is no dead letter');
    await broker.publish(TOPIC, [markerRecord(first, 'redriven', 'somebody', new Date())]);
    expect(await readDeadLetter(broker, TOPIC, first.id)).toMatchObject({
      id: first.id,
      resolution: 'redriven',
      resolvedBy: 'somebody',
    });
    expect(await readDeadLetter(broker, TOPIC, `${TOPIC}/0/99`)).toBeNull();
  });
});
