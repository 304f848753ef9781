import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type QueryResult,
  SqliteAdapter,
  SqliteDriver,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { Statement, ThreadAnswer, ThreadOptions } from './sqlite-messages.ts';

export type OnDeath = (error: Error) => void;

/**
 * Creates a Kysely dialect that runs SQLite on its own thread. The lanes decode and decide while
 * SQLite works or waits for the disk.
 *
 * The thread has one connection, which executes the statements in the order of the calls. When the
 * thread dies, every waiting and every later statement fails.
 * @param onDeath called when the thread has ended without `close`, for example for lack of memory
 */
export function sqliteThreadDialect(options: ThreadOptions, onDeath: OnDeath = () => {}): Dialect {
  return {
    createDriver: () => new ThreadDriver(options, onDeath),
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}

/** Kysely's driver, with its transactions and savepoints, over the thread's connection. */
class ThreadDriver extends SqliteDriver {
  readonly #options: ThreadOptions;
  readonly #onDeath: OnDeath;
  #connection: ThreadConnection | null = null;

  constructor(options: ThreadOptions, onDeath: OnDeath) {
    super({ database: () => Promise.reject(new Error('The connection is on another thread')) });
    this.#options = options;
    this.#onDeath = onDeath;
  }

  override async init(): Promise<void> {
    this.#connection = await ThreadConnection.open(this.#options, this.#onDeath);
  }

  override async acquireConnection(): Promise<DatabaseConnection> {
    return this.#connection as ThreadConnection;
  }

  override async destroy(): Promise<void> {
    await this.#connection?.close();
  }
}

class ThreadConnection implements DatabaseConnection {
  readonly #worker: Worker;
  readonly #waiting: {
    readonly resolve: (result: QueryResult<unknown>) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  readonly #onDeath: OnDeath;
  #failure: Error | null = null;
  #isClosed = false;

  private constructor(worker: Worker, onDeath: OnDeath) {
    this.#worker = worker;
    this.#onDeath = onDeath;
    worker.on('message', (answer: ThreadAnswer) => {
      const call = this.#waiting.shift();
      if ('result' in answer) call?.resolve(withBuffers(answer.result));
      else
        call?.reject(
          answer.code === undefined
            ? answer.error
            : Object.assign(answer.error, { code: answer.code }),
        );
      // While the thread ends, it must keep the process alive. Otherwise nothing waits for `exit`.
      if (this.#waiting.length === 0 && !this.#isClosed) worker.unref();
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('The database connection is not open')));
  }

  /** Starts the thread and opens the file. @throws the error of opening the file */
  static async open(options: ThreadOptions, onDeath: OnDeath): Promise<ThreadConnection> {
    // The process's own arguments, such as `--eval`, must not reach the thread.
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
      workerData: options,
      execArgv: [],
    });
    await once(worker, 'message');
    return new ThreadConnection(worker, onDeath);
  }

  /**
   * Sends a statement to the thread. Bytes travel as copies that are handed over, because cloning
   * a slice would copy the whole buffer behind it.
   */
  executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#failure) return Promise.reject(this.#failure);
    const { promise, resolve, reject } = Promise.withResolvers<QueryResult<unknown>>();
    if (this.#waiting.push({ resolve, reject }) === 1) this.#worker.ref();
    const copies: ArrayBuffer[] = [];
    const own = parameters.map((each) => {
      if (!(each instanceof Uint8Array)) return each;
      const copy = new Uint8Array(each);
      copies.push(copy.buffer);
      return copy;
    });
    this.#worker.postMessage({ sql, parameters: own } satisfies Statement, copies);
    return promise as Promise<QueryResult<Row>>;
  }

  streamQuery(): AsyncIterableIterator<never> {
    throw new Error('SQLite does not stream rows here: use executeQuery');
  }

  async close(): Promise<void> {
    if (this.#failure) return;
    this.#isClosed = true;
    this.#worker.ref();
    this.#worker.postMessage(null);
    await once(this.#worker, 'exit');
  }

  #fail(error: Error): void {
    if (!this.#failure && !this.#isClosed) this.#onDeath(error);
    this.#failure ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(this.#failure);
  }
}

/** Restores the buffers of the rows: cloning between threads turns them into plain byte arrays. */
function withBuffers(result: QueryResult<unknown>): QueryResult<unknown> {
  for (const row of result.rows as Record<string, unknown>[]) {
    for (const name in row) {
      const value = row[name];
      if (value instanceof Uint8Array)
        row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
  }
  return result;
}
