import { expect, it } from 'vitest';
import { MIGRATION_LOCK, withAdvisoryLock } from '../../../src/adapters/database/advisory-lock.ts';
import type { Sql } from '../../../src/adapters/database/transaction.ts';
import { TroubleError } from '../../../src/service-layer/errors.ts';

const signal = new AbortController().signal;

/** Fakes a database whose first statements fail with these errors, one after another. */
function databaseWith(...errors: readonly Error[]) {
  const left = [...errors];
  const sql = async () => {
    const error = left.shift();
    if (error) throw error;
    return [];
  };
  const transaction = <T>(work: (sql: Sql) => Promise<T>) => work(sql as unknown as Sql);
  return { transaction, giveUpConnections: () => {} };
}

function trouble(code: string): TroubleError {
  return new TroubleError('The database cannot execute the statement now', {
    cause: Object.assign(new Error(code), { code }),
  });
}

it.each(['55P03', '25P03'])('a process without the lock asks again after %s', async (code) => {
  const result = await withAdvisoryLock(
    databaseWith(trouble(code), trouble(code)),
    MIGRATION_LOCK,
    signal,
    async () => 'done',
  );
  expect(result).toBe('done');
});

it('a process without the lock reports any other error', async () => {
  const denied = trouble('42501');
  await expect(
    withAdvisoryLock(databaseWith(denied), MIGRATION_LOCK, signal, async () => 'done'),
  ).rejects.toBe(denied);
});

it('a process with the lock reports that the server ended its transaction', async () => {
  const ended = trouble('25P03');
  const work = async () => {
    throw ended;
  };
  await expect(withAdvisoryLock(databaseWith(), MIGRATION_LOCK, signal, work)).rejects.toBe(ended);
});
