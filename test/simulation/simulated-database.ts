import SqliteDatabase from 'better-sqlite3';
import type { Database, Session, Sql } from '../../src/adapters/database/database.ts';
import { translate } from '../../src/adapters/database/errors.ts';
import { SqlUnitOfWork } from '../../src/adapters/database/unit-of-work.ts';
import { TroubleError } from '../../src/service-layer/unit-of-work.ts';
import type { Machine, World } from './world.ts';

const BUSY_TIMEOUT_MS = 500;
const BUSY_RETRY_MS = 20;

interface Transaction {
  readonly machine: Machine;
}

/**
 * The database server: real SQLite and the service's own statements, one writer at a time. Requests and answers travel through the
 * simulated world, and a machine that dies takes its transaction with it.
 */
export class SimulatedDatabase {
  readonly reader: SqliteDatabase.Database;
  readonly #writer: SqliteDatabase.Database;
  readonly #world: World;
  #open: Transaction | null = null;

  /** @param file migrated, and empty */
  constructor(world: World, file: string) {
    this.#world = world;
    this.#writer = new SqliteDatabase(file);
    this.reader = new SqliteDatabase(file, { readonly: true });
    this.#writer.pragma('synchronous = off');
  }

  close(): void {
    this.reader.close();
    this.#writer.close();
  }

  /** The machine's connection breaks. */
  disconnect(machine: Machine): void {
    if (this.#open?.machine === machine) this.#end('rollback');
  }

  /** A machine's connection, as much of it as lanes use. */
  connect(machine: Machine): Database {
    const query = (statement: string, parameters: readonly unknown[] = []) =>
      this.#world.request(machine, short(statement), () => this.reader.prepare(statement).all(parameters)).catch(rethrow);
    const transaction = (work: (sql: Sql) => Promise<unknown>) => this.#transaction(machine, work);
    const getSession = async (work: (session: Session) => Promise<unknown>, onError: (error: unknown) => void = () => {}) => {
      const { result, session } = (await transaction(async (sql) => {
        const session = new SqlUnitOfWork(null as never, sql, 'sqlite');
        const result = await work(session);
        await session.flush();
        return { result, session };
      })) as { result: unknown; session: Session };
      await session.runAfterCommit(onError);
      return result;
    };
    return { dialect: 'sqlite', query, transaction, getSession } as unknown as Database;
  }

  async #transaction(machine: Machine, work: (sql: Sql) => Promise<unknown>): Promise<unknown> {
    const transaction = await this.#begin(machine);
    let failure: unknown = null;
    let previous: Promise<unknown> = Promise.resolve();
    const send = (statement: string, effect: () => unknown) => {
      const result = previous.then(() => {
        if (failure) throw failure;
        return this.#world.request(machine, short(statement), () => {
          if (this.#open !== transaction) throw new TroubleError('The connection was lost');
          return effect();
        });
      });
      previous = result.catch((error: unknown) => {
        failure ??= error;
      });
      return result.catch(rethrow);
    };
    const sql = Object.assign(
      (statement: string, parameters: readonly unknown[] = []) => send(statement, () => all(this.#writer.prepare(statement), parameters)),
      {
        run: (statement: string, parameters: readonly unknown[] = []) =>
          send(statement, () => this.#writer.prepare(statement).run(parameters).changes),
      },
    ) as Sql;
    try {
      const result = await work(sql);
      await send('commit', () => this.#end('commit'));
      return result;
    } catch (error) {
      // The connection is given up, and the server notices.
      if (!machine.isDead) this.#world.after(1, () => this.#open === transaction && this.#end('rollback'));
      throw error;
    }
  }

  async #begin(machine: Machine): Promise<Transaction> {
    const giveUpAtMs = this.#world.nowMs + BUSY_TIMEOUT_MS;
    const transaction = { machine };
    for (;;) {
      const isOurs = await this.#world
        .request(machine, 'begin', () => {
          if (this.#open || machine.isDead) return false;
          this.#open = transaction;
          this.#writer.exec('begin immediate');
          return true;
        })
        .catch((error: unknown) => {
          this.#world.after(1, () => this.#open === transaction && this.#end('rollback'));
          throw error;
        });
      if (isOurs) return transaction;
      if (this.#world.nowMs > giveUpAtMs) throw new TroubleError('The database is locked');
      await new Promise<void>((resolve) => this.#world.after(BUSY_RETRY_MS, () => machine.hears(resolve)));
    }
  }

  #end(how: 'commit' | 'rollback'): void {
    this.#open = null;
    this.#writer.exec(how);
  }
}

/** Statements that return rows and those that do not are told apart by better-sqlite3. */
function all(statement: SqliteDatabase.Statement, parameters: readonly unknown[]): unknown[] {
  if (statement.reader) return statement.all(parameters);
  statement.run(parameters);
  return [];
}

function rethrow(error: unknown): never {
  throw translate(error);
}

function short(statement: string): string {
  return statement.replaceAll(/\s+/g, ' ').slice(0, 60);
}
