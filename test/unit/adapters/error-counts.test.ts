import { describe, expect, it } from 'vitest';
import { brokerErrors, countBrokerError } from '../../../src/adapters/broker/kafka/error-counts.ts';
import { countDatabaseError, databaseErrors } from '../../../src/adapters/database/error-counts.ts';

/** Returns which numbers an act has raised. */
function raised(counts: ReadonlyMap<string, number>, act: () => void): Record<string, number> {
  const before = new Map(counts);
  act();
  return Object.fromEntries(
    [...counts].flatMap(([name, count]) => {
      const more = count - (before.get(name) ?? 0);
      return more === 0 ? [] : [[name, more]];
    }),
  );
}

describe('Errors are counted by names of a closed set', () => {
  it.each([
    ['40P01', 'deadlock_detected'],
    ['08006', 'connection_lost'],
    ['ECONNREFUSED', 'connection_refused'],
    ['SQLITE_BUSY_SNAPSHOT', 'sqlite_busy'],
    ['SQLITE_IOERR_WRITE', 'sqlite_ioerr'],
    ['99999', 'other'],
    ['constructor', 'other'],
    ['', 'other'],
  ])('of the database: %s is %s', (code, name) => {
    expect(raised(databaseErrors, () => countDatabaseError(code))).toEqual({ [name]: 1 });
  });

  it.each([
    ['NOT_LEADER_OR_FOLLOWER', 'NOT_LEADER_OR_FOLLOWER'],
    ['PRODUCER_FENCED', 'PRODUCER_FENCED'],
    ['unreachable', 'unreachable'],
    ['error code 4711', 'other'],
  ])('of Kafka: %s is %s', (answer, name) => {
    expect(raised(brokerErrors, () => countBrokerError(answer))).toEqual({ [name]: 1 });
  });

  it('but the course of a rebalance is no error', () => {
    expect(raised(brokerErrors, () => countBrokerError('REBALANCE_IN_PROGRESS'))).toEqual({});
  });
});
