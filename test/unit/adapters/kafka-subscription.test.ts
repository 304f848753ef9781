import { createRequire } from 'node:module';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  decodeAssignment,
  decodeNotes,
  decodeSubscription,
  encodeAssignment,
  encodeSubscription,
} from '../../../src/adapters/broker/kafka/consumer/subscription.ts';

const require = createRequire(import.meta.url);
const { MemberMetadata, MemberAssignment } = require('kafkajs/src/consumer/assignerProtocol');

const NOTHING = { topics: [], owned: [], generation: -1, givenBack: [] };
const NOTES = { coming: 0, partitionCount: 4 };
const notes = fc.record({ coming: fc.nat(2_000), partitionCount: fc.nat(2_000) });
const partitions = fc.uniqueArray(fc.nat(2_000), { maxLength: 40 });
const topicNames = fc.string({
  unit: fc.constantFrom('a', 'Z', '0', '.', '_', '-'),
  minLength: 1,
  maxLength: 249,
});
const subscriptions = fc.record({
  owned: partitions,
  generation: fc.integer({ min: -1, max: 2 ** 31 - 1 }),
  givenBack: partitions,
});

it('a subscription is read as it was written', () => {
  fc.assert(
    fc.property(topicNames, subscriptions, (topic, subscription) => {
      expect(decodeSubscription(topic, encodeSubscription(topic, subscription))).toEqual({
        topics: [topic],
        ...subscription,
      });
    }),
  );
});

it('an assignment is read as it was written', () => {
  fc.assert(
    fc.property(topicNames, partitions, notes, (topic, given, besides) => {
      const assignment = encodeAssignment(topic, given, besides);
      expect(decodeAssignment(topic, assignment)).toEqual(given);
      expect(decodeNotes(assignment)).toEqual(besides);
    }),
  );
});

it('an assignment by a leader of the former release has no notes', () => {
  expect(decodeNotes(MemberAssignment.encode({ version: 0, assignment: { commands: [1] } }))).toBe(
    null,
  );
  expect(
    decodeNotes(MemberAssignment.encode({ version: 0, assignment: {}, userData: Buffer.alloc(9) })),
  ).toBe(null);
  expect(decodeNotes(Buffer.alloc(0))).toBe(null);
});

it('a subscription has the bytes of version 2 of Kafka’s consumer protocol', () => {
  const bytes = encodeSubscription('t', { owned: [3, 5], generation: 7, givenBack: [9] });
  const version = '0002';
  const topics = '00000001000174';
  const userData = '00000009010000000100000009';
  const owned = '000000010001740000000200000003' + '00000005';
  expect(bytes.toString('hex')).toBe(`${version}${topics}${userData}${owned}00000007`);
});

it('a subscription and an assignment can be read by kafkajs', () => {
  const subscription = MemberMetadata.decode(
    encodeSubscription('commands', { owned: [1], generation: 3, givenBack: [2] }),
  );
  expect(subscription).toMatchObject({ version: 2, topics: ['commands'] });
  expect(MemberAssignment.decode(encodeAssignment('commands', [0, 3], NOTES)).assignment).toEqual({
    commands: [0, 3],
  });
  expect(MemberAssignment.decode(encodeAssignment('commands', [], NOTES)).assignment).toEqual({});
});

it('a member of the former release owns nothing, and its assignment can be read', () => {
  const subscription = MemberMetadata.encode({ version: 0, topics: ['commands'] });
  expect(decodeSubscription('commands', subscription)).toEqual({
    ...NOTHING,
    topics: ['commands'],
  });
  const assignment = MemberAssignment.encode({ version: 0, assignment: { commands: [1, 2] } });
  expect(decodeAssignment('commands', assignment)).toEqual([1, 2]);
});

it('a subscription of another version or user data is read as far as possible', () => {
  const bytes = encodeSubscription('t', { owned: [3], generation: 7, givenBack: [] });
  const withRack = Buffer.concat([bytes, Buffer.from('0001', 'hex'), Buffer.from('r')]);
  withRack.writeInt16BE(3);
  expect(decodeSubscription('t', withRack)).toEqual({
    topics: ['t'],
    owned: [3],
    generation: 7,
    givenBack: [],
  });
  const withoutGeneration = bytes.subarray(0, -4);
  withoutGeneration.writeInt16BE(1);
  expect(decodeSubscription('t', withoutGeneration)).toEqual({
    topics: ['t'],
    owned: [3],
    generation: -1,
    givenBack: [],
  });
  const nullUserData = Buffer.from(
    '000100000001000174ffffffff00000001000174' + '0000000100000004',
    'hex',
  );
  expect(decodeSubscription('t', nullUserData)).toEqual({
    topics: ['t'],
    owned: [4],
    generation: -1,
    givenBack: [],
  });
  const otherUserData = Buffer.from(
    '0000' + '00000001000174' + '00000009' + '020000000100000005',
    'hex',
  );
  expect(decodeSubscription('t', otherUserData)).toEqual({ ...NOTHING, topics: ['t'] });
});

it('partitions of another topic are not owned', () => {
  expect(
    decodeSubscription(
      'other',
      encodeSubscription('t', { owned: [3], generation: 7, givenBack: [] }),
    ).owned,
  ).toEqual([]);
  expect(decodeAssignment('other', encodeAssignment('t', [3], NOTES))).toEqual([]);
});

it('a member whose bytes cannot be read owns nothing', () => {
  const whole = encodeSubscription('t', { owned: [3], generation: 7, givenBack: [1] });
  for (let length = 0; length < whole.length; length += 1) {
    expect(decodeSubscription('t', whole.subarray(0, length))).toEqual(NOTHING);
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(decodeSubscription('t', Buffer.from(bytes))).toHaveProperty('owned');
    }),
    { numRuns: 1_000 },
  );
});

it('empty bytes are an empty assignment, and unreadable bytes are an error', () => {
  expect(decodeAssignment('t', Buffer.alloc(0))).toEqual([]);
  expect(() => decodeAssignment('t', encodeAssignment('t', [1, 2], NOTES).subarray(0, 9))).toThrow(
    'assignment of t that cannot be read: 0000',
  );
});
