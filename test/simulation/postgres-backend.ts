import {
  POSTGRES_IDLE_TIMEOUT_MS,
  POSTGRES_LOCK_TIMEOUT_MS,
} from '../../src/adapters/database/connection/database-limits.ts';
import { codeOf } from '../../src/adapters/database/errors.ts';
import type { OpenTransaction, OpenTransactions, Result } from './open-transactions.ts';
import { BlockedError, type RowLocks } from './row-locks.ts';
import type { World } from './world.ts';

/** PostgreSQL looks for a deadlock once a statement has waited this long. */
const DEADLOCK_TIMEOUT_MS = 1_000;

/**
 * How many times likelier a serialization failure is at the commit, where PostgreSQL compares with
 * what others have committed.
 */
const TIMES_AT_COMMIT = 5;

const SQLSTATES: readonly (readonly [RegExp, string])[] = [
  [/^SQLITE_CONSTRAINT_(UNIQUE|PRIMARYKEY|ROWID)/, '23505'],
  [/^SQLITE_CONSTRAINT_FOREIGNKEY/, '23503'],
  [/^SQLITE_CONSTRAINT/, '23514'],
];

/** What all backends of one server share. */
export interface Server {
  readonly world: World;
  readonly transactions: OpenTransactions;
  readonly locks: RowLocks<OpenTransaction>;
  /**
   * The probability, per statement in a transaction, that the server undoes the transaction for
   * another one's sake.
   */
  readonly serializationFailureRate: number;
  /**
   * The probability that a connection breaks during a commit. Only then nobody knows what was
   * done.
   */
  readonly commitLossRate: number;
  happens(what: string): void;
  commits(transaction: OpenTransaction): void;
}

/** The outcome of a statement. */
export type Outcome = { readonly result: Result } | { readonly error: Error };

const ADVISORY_LOCK = /^select pg_advisory_xact_lock\((\d+)\)$/;

const NOTHING: Result = { rows: [], changes: 0 };

/**
 * The server's end of one connection.
 *
 *   idle ──begin──▶ in transaction ──commit, rollback──▶ idle
 *                        │    └──a statement fails──▶ failed ──rollback──▶ idle
 *                        └──silent for too long, the client is gone──▶ terminated
 *
 * A failed transaction releases its locks at once. The server finishes every statement that reaches
 * it, also when the client is gone.
 */
export class Backend {
  readonly #server: Server;
  readonly #onTerminated: (error: Error) => void;
  #transaction: OpenTransaction | null = null;
  #hasFailed = false;
  #isBusy = false;
  #isClientGone = false;
  #isTerminated = false;
  /** Changes with each statement. */
  #turn = 0;

  /** @param onTerminated called when the server has closed the connection */
  constructor(server: Server, onTerminated: (error: Error) => void) {
    this.#server = server;
    this.#onTerminated = onTerminated;
  }

  get isInTransaction(): boolean {
    return this.#transaction !== null;
  }

  execute(
    statement: string,
    parameters: readonly unknown[],
    answer: (outcome: Outcome) => void,
  ): void {
    if (this.#isTerminated) return;
    this.#turn += 1;
    this.#isBusy = true;
    const done = (outcome: Outcome) => {
      this.#isBusy = false;
      if (this.#isClientGone) this.terminate('The client is gone');
      else this.#watchSleep();
      answer(outcome);
    };
    if (this.#transaction) this.#transaction.seen = null;
    if (/^begin\b/.test(statement)) this.#begin(done);
    else if (statement === 'rollback') this.#rollBack(done);
    else if (this.#hasFailed && statement === 'commit') this.#rollBack(done);
    else if (this.#hasFailed) done({ error: sqlError('25P02', 'current transaction is aborted') });
    else if (this.#isUndoneForAnother(statement))
      done(this.#fail(sqlError('40001', 'could not serialize access')));
    else if (statement === 'commit') this.#commit(done);
    else this.#attempt(statement, parameters, done);
  }

  /** Tells the server that the client has closed the connection. */
  clientIsGone(): void {
    this.#isClientGone = true;
    // A statement that waits for a lock goes on waiting.
    if (!this.#isBusy) this.terminate('The client is gone');
  }

  terminate(why: string, code = '57P01'): void {
    if (this.#isTerminated) return;
    this.#isTerminated = true;
    if (this.#transaction) this.#server.locks.stopWaiting(this.#transaction);
    this.#undo();
    this.#onTerminated(sqlError(code, `terminating connection: ${why}`));
  }

  #begin(done: (outcome: Outcome) => void): void {
    // PostgreSQL only warns if a transaction is open already.
    this.#transaction ??= { beganMs: this.#server.world.nowMs, written: [], seen: null };
    done({ result: NOTHING });
  }

  #commit(done: (outcome: Outcome) => void): void {
    const transaction = this.#transaction;
    this.#transaction = null;
    if (transaction) {
      this.#server.commits(transaction);
      this.#server.transactions.commit(transaction);
      this.#server.locks.release(transaction);
    }
    done({ result: NOTHING });
  }

  #rollBack(done: (outcome: Outcome) => void): void {
    this.#undo();
    done({ result: NOTHING });
  }

  /** Runs the statement. After a wait for a lock, the statement runs again from its beginning. */
  #attempt(
    statement: string,
    parameters: readonly unknown[],
    done: (outcome: Outcome) => void,
  ): void {
    const { transactions, locks, happens } = this.#server;
    try {
      const advisoryLock = ADVISORY_LOCK.exec(statement)?.[1];
      if (advisoryLock && this.#transaction)
        locks.take(this.#transaction, `advisory lock ${advisoryLock}`);
      done({
        result: advisoryLock ? NOTHING : transactions.run(this.#transaction, statement, parameters),
      });
    } catch (error) {
      if (error instanceof BlockedError && this.#transaction) {
        happens('wait for a lock');
        this.#wait(
          this.#transaction,
          error.key,
          () => this.#attempt(statement, parameters, done),
          done,
        );
      } else done(this.#fail(error as Error));
    }
  }

  #wait(
    transaction: OpenTransaction,
    key: string,
    again: () => void,
    done: (outcome: Outcome) => void,
  ): void {
    const { world, locks, happens } = this.#server;
    let isOver = false;
    const giveUp = (what: string, error: Error) => {
      isOver = true;
      locks.stopWaiting(transaction);
      happens(what);
      done(this.#fail(error));
    };
    const isWaiting = () => !isOver && !this.#isTerminated;
    locks.wait(transaction, key, () => {
      isOver = true;
      again();
    });
    world.after(DEADLOCK_TIMEOUT_MS, () => {
      if (isWaiting() && locks.isInDeadlock(transaction))
        giveUp('deadlock', sqlError('40P01', `deadlock detected, at ${key}`));
    });
    world.after(POSTGRES_LOCK_TIMEOUT_MS, () => {
      if (isWaiting())
        giveUp(
          'lock time-out',
          sqlError('55P03', `canceling statement due to lock timeout, at ${key}`),
        );
    });
  }

  #isUndoneForAnother(statement: string): boolean {
    const { world, serializationFailureRate, happens } = this.#server;
    if (!this.#transaction || !world.isTroubled || serializationFailureRate === 0) return false;
    const isUndone = world.chance(
      serializationFailureRate * (statement === 'commit' ? TIMES_AT_COMMIT : 1),
    );
    if (isUndone) happens('serialization failure');
    return isUndone;
  }

  #fail(error: Error): Outcome {
    const isOpen = this.#transaction !== null;
    this.#undo();
    this.#hasFailed = isOpen;
    const state = SQLSTATES.find(([pattern]) => pattern.test(codeOf(error)))?.[1];
    return { error: state === undefined ? error : sqlError(state, error.message) };
  }

  #undo(): void {
    const transaction = this.#transaction;
    this.#transaction = null;
    this.#hasFailed = false;
    if (!transaction) return;
    this.#server.transactions.rollback(transaction);
    this.#server.locks.release(transaction);
  }

  /** Ends a session that sleeps amid its transaction. */
  #watchSleep(): void {
    if (!this.#transaction && !this.#hasFailed) return;
    const turn = this.#turn;
    this.#server.world.after(POSTGRES_IDLE_TIMEOUT_MS, () => {
      const isAsleep = turn === this.#turn && (this.#transaction !== null || this.#hasFailed);
      if (!isAsleep || this.#isTerminated) return;
      this.#server.happens('sleeping transaction ended');
      this.terminate('idle-in-transaction timeout', '25P03');
    });
  }
}

function sqlError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
