import type { QueryResult } from 'kysely';

/*
 * What `sqlite-thread.ts` and its thread say to each other. The thread imports this file, so the
 * file must not load Kysely. That takes longer than everything else that the thread loads.
 */

/**
 * Begins a transaction with the write lock. If this statement fails, the thread refuses all that is
 * sent behind it, until a rollback.
 */
export const BEGIN = 'begin immediate';

/** The options that start the thread. */
export interface ThreadOptions {
  /** `:memory:`, or a path. */
  readonly file: string;
  /** How long a statement waits for another process that has locked the file. */
  readonly busyTimeoutMs: number;
}

export interface Statement {
  readonly sql: string;
  readonly parameters: readonly unknown[];
}

/** SQLite's `code` travels beside the error, because cloning between threads loses the code. */
export type ThreadAnswer =
  | { readonly result: QueryResult<unknown> }
  | { readonly error: Error; readonly code: string | undefined };
