// @module-tag db

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EmbeddedBroker } from '../../src/adapters/broker/embedded/broker.ts';
import { Database } from '../../src/adapters/database/database.ts';
import type { DeadLetter } from '../../src/dead-letters/dead-letter.ts';
import { encodeDeadLetter } from '../../src/dead-letters/dead-letter-headers.ts';
import { markerRecord } from '../../src/dead-letters/markers.ts';
import { readDeadLetter, readWaitingLetters } from '../../src/dead-letters/waiting-letters.ts';
import type { LogRecord } from '../../src/service-layer/records.ts';

const TOPIC = 'dead-letters';
const MAX_BYTES = 4 * 1024 * 1024;
/** As many as one page has at most, in letters and in bytes (waiting-letters.ts). */
const PAGE_LETTERS = 2_000;
const PAGE_BYTES = 4 * 1024 * 1024;

describe('the dead letters that wait', () => {
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

  /** The letter of the command at that offset, which failed that many seconds after the first. */
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
  /** Puts the letters into the three partitions in turn. */
  const publish = (letters: readonly LogRecord[]) =>
    broker.publish(
      TOPIC,
      letters.map((each, n) => ({ ...each, partition: n % 3 })),
    );
  const pages = async () => {
    const found: (readonly DeadLetter[])[] = [];
    for await (const page of readWaitingLetters(broker, TOPIC)) found.push(page);
    return found;
  };
  const originals = (letters: readonly DeadLetter[]) =>
    letters.map(({ original }) => Number(original.split('/').at(-1)));

  it('come in pages, oldest first, each letter once, whatever their partitions', async () => {
    const count = PAGE_LETTERS + 3;
    const failed = Array.from({ length: count }, (_, n) => letter(n, n % 2 === 0 ? n : n - 3));
    await publish(failed);
    const found = await pages();
    expect(found.map(({ length }) => length)).toEqual([PAGE_LETTERS, 3]);
    const times = found.flat().map(({ failedAt }) => failedAt);
    expect(times).toEqual(times.toSorted());
    expect(originals(found.flat()).toSorted((a, b) => a - b)).toEqual(
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

  it('are without those that were resolved, and a forged marker hides nothing', async () => {
    await publish([letter(0, 0), letter(1, 1), letter(2, 2)]);
    const [[first, second] = []] = await pages();
    if (!first || !second) throw new Error('There are no letters');
    await broker.publish(TOPIC, [markerRecord(second, 'discarded', 'somebody', new Date())]);
    const forged = { 'dead-letter-resolves': first.id };
    await broker.publish(TOPIC, [
      { ...letter(3, 3), headers: { ...letter(3, 3).headers, ...forged } },
    ]);
    expect((await pages()).map(originals)).toEqual([[0, 2, 3]]);
  });

  it('can be read one by one, with what was done with them', async () => {
    await publish([letter(0, 0), letter(1, 1)]);
    const [[first] = []] = await pages();
    if (!first) throw new Error('There is no letter');
    await broker.publish(TOPIC, [markerRecord(first, 'redriven', 'somebody', new Date())]);
    expect(await readDeadLetter(broker, TOPIC, first.id)).toMatchObject({
      id: first.id,
      resolution: 'redriven',
      resolvedBy: 'somebody',
    });
    expect(await readDeadLetter(broker, TOPIC, `${TOPIC}/0/99`)).toBeNull();
  });
});
