import { describe, expect, it } from 'vitest';
import {
  formatPlaces,
  isBeyond,
  startAfter,
} from '../../../../src/entrypoints/http/last-event-id.ts';

const RANGES = [
  { partition: 0, beginning: 10, end: 20 },
  { partition: 1, beginning: 0, end: 5 },
];
const MAX_MISSED = 100_000;
const LIVE = { from: null, comment: expect.stringContaining('live events') };

describe('The id of an event', () => {
  it('has the place in each partition', () => {
    expect(formatPlaces([1200, 7])).toBe('0/1200,1/7');
  });

  it('has 0 for a partition of which nothing was read', () => {
    const places: number[] = [];
    places[1] = 7;
    expect(formatPlaces(places)).toBe('0/0,1/7');
  });

  it('has at most 4096 characters, and is empty beyond', () => {
    const places = Array<number>(600).fill(10);
    expect(formatPlaces(places.with(599, 100_000_000))).toHaveLength(4_096);
    expect(formatPlaces(places.with(599, 1_000_000_000))).toBe('');
  });
});

describe('A client of the stream', () => {
  it.each([undefined, ''])('without an id (%o) begins with live events', (id) => {
    expect(startAfter(id, RANGES, MAX_MISSED)).toEqual({ ...LIVE, gap: null });
  });

  it('goes on behind what it has read', () => {
    expect(startAfter('0/12,1/5', RANGES, MAX_MISSED)).toEqual({
      from: [12, 5],
      comment: 'events after Last-Event-ID',
      gap: null,
    });
  });

  it('gets all of a partition that its id does not name', () => {
    expect(startAfter('0/12', RANGES, MAX_MISSED)).toMatchObject({ from: [12, 0], gap: null });
  });

  it('may stand at the end of a partition, and not beyond', () => {
    expect(startAfter('0/20,1/5', RANGES, MAX_MISSED)).toMatchObject({ from: [20, 5], gap: null });
    expect(startAfter('0/21,1/5', RANGES, MAX_MISSED)).toEqual({ ...LIVE, gap: 'unknown-id' });
  });

  it.each(['2/1', 'x', '0/1,', ',0/1', '0/-1', '0', '0/1 ', '0/1234567890123456', '1234567890/1'])(
    'begins with live events behind the id "%s", which is not of this topic',
    (id) => {
      expect(startAfter(id, RANGES, MAX_MISSED)).toEqual({ ...LIVE, gap: 'unknown-id' });
    },
  );

  it('begins with live events behind an id that is too long', () => {
    const long = Array(1_500).fill('0/12').join(',');
    expect(startAfter(long, RANGES, MAX_MISSED)).toEqual({ ...LIVE, gap: 'unknown-id' });
    const longest = `${'0/12,'.repeat(818)}0/0012`;
    expect(longest).toHaveLength(4_096);
    expect(startAfter(longest, RANGES, MAX_MISSED)).toMatchObject({ gap: null });
    expect(startAfter(`${'0/12,'.repeat(818)}0/00012`, RANGES, MAX_MISSED)).toMatchObject({
      gap: 'unknown-id',
    });
  });

  it('begins with the oldest events if some that it missed are deleted', () => {
    expect(startAfter('0/9,1/5', RANGES, MAX_MISSED)).toEqual({
      from: [10, 5],
      comment: expect.stringContaining('older than the topic'),
      gap: 'deleted',
    });
    expect(startAfter('0/10,1/5', RANGES, MAX_MISSED)).toMatchObject({ from: [10, 5], gap: null });
  });

  it('begins with live events if it has missed more records than it may', () => {
    const ranges = [
      { partition: 0, beginning: 0, end: 100_000 },
      { partition: 1, beginning: 0, end: 1 },
    ];
    expect(startAfter('0/0,1/1', ranges, MAX_MISSED)).toMatchObject({ from: [0, 1], gap: null });
    expect(startAfter('0/0,1/0', ranges, MAX_MISSED)).toEqual({
      from: null,
      comment: 'Last-Event-ID is more than 100000 records old: live events from now on',
      gap: 'too-far-behind',
    });
  });
});

describe('Places', () => {
  it('are beyond others if one partition is further', () => {
    expect(isBeyond([5, 7], [5, 6])).toBe(true);
    expect(isBeyond([5, 6], [5, 6])).toBe(false);
    expect(isBeyond([4, 6], [5, 6])).toBe(false);
  });

  it('are beyond others that do not know the partition, once something was read', () => {
    expect(isBeyond([0, 1], [0])).toBe(true);
    expect(isBeyond([0, 0], [0])).toBe(false);
  });
});
