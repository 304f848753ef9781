import type { EntityManager } from '@mikro-orm/core';
import { SqlUnitOfWork } from '../../src/adapters/database/aggregates/sql-unit-of-work.ts';
import { STATEMENT_TIMEOUT_MS } from '../../src/adapters/database/connection/database-limits.ts';
import {
  giveUpSilentConnections,
  type PostgresPool,
} from '../../src/adapters/database/connection/silent-connections.ts';
import type { Database, Session, Sql } from '../../src/adapters/database/database.ts';
import {
  executeBound,
  type Parameters,
  runTransaction,
} from '../../src/adapters/database/transaction.ts';
import { Decisions } from './decisions.ts';
import type { OpenTransaction } from './open-transactions.ts';
import type { Server } from './postgres-backend.ts';
import { Connection, Pool } from './postgres-connection.ts';
import { RowLocks } from './row-locks.ts';
import type { DatabaseFile, Flaws, SimulatedServer } from './simulated-database.ts';
import type { Machine, World } from './world.ts';

/** In some histories the server undoes transactions for each other's sake, in a few many. */
const SERIALIZATION_FAILURE_RATES = [0, 0, 0.002, 0.02];
const COMMIT_LOSS_RATES = [0, 0, 0.04];
/** How many of the connections that break go silent. */
const SILENT_SHARES = [0, 0.3, 0.7];
const TIMELINE = '00000001';

/**
 * PostgreSQL at READ COMMITTED, as far as lanes rely on it. Transactions of several lanes and
 * machines are open at once, each on a connection of its own. They lock rows and unique keys, and
 * wait for each other's locks. The service's own transactions, statements for PostgreSQL and watch
 * over silent connections run on it (`transaction.ts`, `silent-connections.ts`).
 */
export class SimulatedPostgres implements SimulatedServer {
  readonly canGoSilent = true;
  readonly decisions = new Decisions();
  readonly #server: Server;
  readonly #silentShare: number;
  readonly #connections: Connection[] = [];

  /**
   * @param file the database, which this empties
   * @param happens hears what transactions do to each other
   */
  constructor(world: World, file: DatabaseFile, happens: (what: string) => void) {
    file.empty();
    const locks = new RowLocks<OpenTransaction>();
    this.#silentShare = world.pick(SILENT_SHARES);
    const serializationFailureRate = world.pick(SERIALIZATION_FAILURE_RATES);
    const commits = (transaction: OpenTransaction) => this.#noteDecisions(transaction);
    const commitLossRate = world.pick(COMMIT_LOSS_RATES);
    this.#server = {
      world,
      transactions: file.transactions,
      locks,
      serializationFailureRate,
      commitLossRate,
      happens,
      commits,
    };
    file.transactions.begin(locks, TIMELINE);
  }

  close(): void {
    this.#server.transactions.close();
  }

  /** Resets the machine's connections, or silences them where the whole host is gone. */
  disconnect(machine: Machine): void {
    const { world } = this.#server;
    const isHostGone = machine.isDead && world.chance(this.#silentShare);
    for (const connection of this.#of(machine)) {
      if (isHostGone) connection.silence();
      else connection.reset();
    }
  }

  /** Leaves the connections: the server itself ends a session that sleeps amid a transaction. */
  stalls(): void {}

  silence(machine: Machine): void {
    for (const connection of this.#of(machine)) connection.silence();
  }

  connect(
    machine: Machine,
    { sql: changed = (sql) => sql, connection: spoil = () => {}, isUnwatched = false }: Flaws = {},
  ): Database {
    const pool = new Pool(async () => {
      const connection = await this.#server.world.request(machine, 'connects', () =>
        this.#open(machine),
      );
      spoil(connection);
      return connection;
    });
    if (!isUnwatched)
      giveUpSilentConnections(pool as unknown as PostgresPool, STATEMENT_TIMEOUT_MS);
    const em = entityManagerOn(pool);
    const options = { em, dialect: 'postgresql', timeoutMs: STATEMENT_TIMEOUT_MS } as const;
    const run = <T>(work: (sql: Sql) => Promise<T>) =>
      runTransaction(options, ({ sql }) => work(changed(sql)));
    const read = (statement: string, parameters: Parameters = []) =>
      runTransaction({ ...options, isReadOnly: true }, ({ sql }) => sql(statement, parameters));
    const query = async (statement: string, parameters: Parameters = []) =>
      (
        await pool.use((connection) =>
          executeBound(clientOf(connection), 'postgresql', statement, parameters),
        )
      ).rows;
    const getSession = async (
      work: (session: Session) => Promise<unknown>,
      onError: (error: unknown) => void = () => {},
    ) => {
      const { result, session } = await run(async (sql) => {
        const session = new SqlUnitOfWork(null as never, sql, 'postgresql');
        const result = await work(session);
        await session.flush();
        return { result, session };
      });
      await session.runAfterCommit(onError);
      return result;
    };
    return {
      dialect: 'postgresql',
      query,
      read,
      transaction: run,
      getSession,
    } as unknown as Database;
  }

  #noteDecisions(transaction: OpenTransaction): void {
    const { world, transactions } = this.#server;
    const { beganMs } = transaction;
    for (const { source_partition: partition, next_offset: nextOffset } of transactions.writtenTo(
      'outbox',
      transaction,
    ))
      this.decisions.note({
        partition: Number(partition),
        nextOffset: Number(nextOffset),
        beganMs,
        committedMs: world.nowMs,
      });
  }

  #open(machine: Machine): Connection {
    const connection = new Connection(this.#server, machine, this.#silentShare);
    this.#connections.push(connection);
    return connection;
  }

  #of(machine: Machine): readonly Connection[] {
    return this.#connections.filter(
      (each) => each.machine === machine && !each.connection.stream.destroyed,
    );
  }
}

type Client = FirstOf<typeof executeBound>;
type FirstOf<F> = F extends (first: infer First, ...rest: never[]) => unknown ? First : never;

/** Returns the connection as Kysely hands it out. */
function clientOf(connection: Connection): Client {
  const executeQuery = async ({
    sql,
    parameters,
  }: {
    readonly sql: string;
    readonly parameters: readonly unknown[];
  }) => {
    const { rows, changes } = await connection.query(sql, parameters);
    return { rows, numAffectedRows: BigInt(changes) };
  };
  return { executeQuery } as Client;
}

/** Makes as much of MikroORM's entity manager as the service's transactions use. */
function entityManagerOn(pool: Pool): EntityManager {
  const execute = (work: (context: unknown) => Promise<unknown>) =>
    pool.use((connection) => {
      const provideConnection = (use: (client: Client) => Promise<Client>) =>
        use(clientOf(connection));
      return work({ getExecutor: () => ({ provideConnection }) });
    });
  const connection = {
    ensureConnection: async () => {},
    getClient: () => ({ connection: () => ({ execute }) }),
  };
  return {
    getConnection: () => connection,
    fork: () => ({ setTransactionContext: () => {} }),
  } as unknown as EntityManager;
}
