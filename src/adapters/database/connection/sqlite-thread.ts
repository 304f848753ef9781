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

/** Takes the write lock at once. What is sent behind it without waiting does nothing when it fails, until a rollback. */
export const BEGIN = 'begin immediate';

/** What the thread is started with. */
export interface ThreadOptions {
  /** `:memory:`, or a path. */
  readonly file: string;
  /** How long a statement waits for another process that has the file locked. */
  readonly busyTimeoutMs: number;
}

export type OnDeath = (error: Error) => void;

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** `code`: SQLite's own; cloning an error between threads loses it. */
export type Answer =
  | { readonly result: QueryResult<unknown> }
  | { readonly error: Error; readonly code: string | undefined };

/**
 * SQLite on a thread of its own: while it works, or waits for the disk, the lanes decode and decide.
 *
 * One connection, which executes one statement after another in the order of the calls. The thread's death fails what
 * waits and whatever comes later.
 * @param onDeath told when the thread has ended and nobody has closed it, as when it is out of memory
 */
export function sqliteThreadDialect(options: ThreadOptions, onDeath: OnDeath = () => {}): Dialect {
  return {
    createDriver: () => new ThreadDriver(options, onDeath),
    createAdapter: () => new SqliteAdapter(),
    createQueryCompiler: () => new SqliteQueryCompiler(),
    createIntrospector: (db) => new SqliteIntrospector(db),
  };
}

/** Kysely's own, with its transactions and savepoints, on another connection. */
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
    worker.on('message', (answer: Answer) => {
      const call = this.#waiting.shift();
      if ('result' in answer) call?.resolve(withBuffers(answer.result));
      else
        call?.reject(
          answer.code === undefined
            ? answer.error
            : Object.assign(answer.error, { code: answer.code }),
        );
      if (this.#waiting.length === 0) worker.unref();
    });
    worker.on('error', (error) => this.#fail(error));
    worker.on('exit', () => this.#fail(new Error('The database connection is not open')));
  }

  /** @throws what opening the file throws */
  static async open(options: ThreadOptions, onDeath: OnDeath): Promise<ThreadConnection> {
    // A process's own arguments, as `--eval`, are not for its threads.
    const worker = new Worker(new URL('./sqlite-worker.ts', import.meta.url), {
      workerData: options,
      execArgv: [],
    });
    await once(worker, 'message');
    return new ThreadConnection(worker, onDeath);
  }

  /** Bytes are copied, and the copy is the thread's: cloning would take along all of the buffer that they are a part of. */
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
    throw new Error('Rows come all at once: nothing here streams');
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

/** Cloning between threads makes plain arrays of them. */
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
