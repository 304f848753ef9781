import { expect, it } from 'vitest';
import {
  DatabaseTroubleError,
  FailoverError,
  FencedError,
  MessageTooLargeError,
  MissingTopicError,
  SlowTransactionError,
  TooMuchAtOnceError,
  TroubleError,
} from '../../../src/service-layer/errors.ts';
import { ParkingFullError } from '../../../src/service-layer/parking.ts';

it.each([
  ['fenced', () => new FencedError()],
  ['fenced', () => new FailoverError('', '1')],
  ['trouble', () => new TroubleError()],
  ['trouble', () => new DatabaseTroubleError()],
  ['trouble', () => new SlowTransactionError()],
  ['trouble', () => new ParkingFullError()],
  ['too-much-at-once', () => new TooMuchAtOnceError()],
  ['missing-topic', () => new MissingTopicError()],
  ['message-too-large', () => new MessageTooLargeError('events', 2, 1)],
] as const)('an error of the service layer has the code %s', (code, make) => {
  const error = make();
  expect(error.code).toBe(code);
  expect(error.name).toBe(error.constructor.name);
});

it('a failover names the new timeline', () => {
  expect(new FailoverError('started again', '7/1').timeline).toBe('7/1');
});

it('a message that is too large names its topic, its size and the limit', () => {
  const error = new MessageTooLargeError('events', 2_000, 1_000);
  expect(error).toMatchObject({ topic: 'events', bytes: 2_000, maxBytes: 1_000 });
  expect(error.message).toBe('A message of 2000 bytes is too large: events takes at most 1000');
});
