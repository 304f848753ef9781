import { AllocationClientError, UnreachableError } from '../errors.ts';
import { problemOf, UnavailableError } from './problem.ts';

/** How the client reaches the service. */
export interface Connection {
  /** The URL of the API, with the path that a proxy gives it, if any. */
  readonly url: string;
  /** A bearer token; or a function that returns one, because tokens of a provider expire. */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /** Replaces `fetch`, for example for a proxy or a certificate authority of your own. */
  readonly fetch?: typeof fetch | undefined;
}

export interface Request {
  readonly method: 'GET' | 'POST';
  /** With a slash before it, and percent-encoded. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** How long one attempt may take. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** How often a request is tried before its error goes to the caller. */
const MAX_ATTEMPTS = 5;
const ATTEMPT_TIMEOUT_MS = 30_000;
/** The pause after the first attempt. Each further pause is twice as long. */
const FIRST_PAUSE_MS = 200;
/** The longest pause, even if the service asks for a longer one. */
const MAX_PAUSE_MS = 30_000;

/**
 * Sends a request, and sends it again after a network failure and after 429, 502, 503 and 504.
 * Repeats are safe: commands keep their ids, and a command of the same id is decided once.
 *
 * @param read reads an answer with a status below 300, within the time of the attempt
 * @throws {ProblemError} the service refuses, or cannot do it in all attempts
 * @throws {UnreachableError} the service did not answer in all attempts
 * @throws what `read` throws, and the reason of the signal
 */
export async function request<T>(
  connection: Connection,
  wanted: Request,
  read: (response: Response) => T | Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    wanted.signal?.throwIfAborted();
    try {
      return await tryOnce(connection, wanted, read);
    } catch (error) {
      wanted.signal?.throwIfAborted();
      const mayHelp = error instanceof UnavailableError || error instanceof UnreachableError;
      if (!mayHelp || attempt === MAX_ATTEMPTS) throw error;
      await pause(pauseMs(attempt, error), wanted.signal);
    }
  }
}

function pauseMs(attempt: number, error: UnavailableError | UnreachableError): number {
  const seconds = error instanceof UnavailableError ? error.retryAfterSeconds : null;
  // Random pauses keep clients that failed together from trying again together.
  const backOffMs = FIRST_PAUSE_MS * 2 ** (attempt - 1) * (0.5 + Math.random());
  return Math.min(seconds === null ? backOffMs : seconds * 1_000, MAX_PAUSE_MS);
}

async function tryOnce<T>(
  { url, token, fetch: send = fetch }: Connection,
  { method, path, headers, body, timeoutMs = ATTEMPT_TIMEOUT_MS, signal }: Request,
  read: (response: Response) => T | Promise<T>,
): Promise<T> {
  const bearer = typeof token === 'function' ? await token() : token;
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
  try {
    const response = await send(url.replace(/\/+$/, '') + path, {
      method,
      headers: { ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }), ...headers },
      ...(body !== undefined && { body }),
      signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
    });
    if (!response.ok) throw await problemOf(response);
    return await read(response);
  } catch (error) {
    if (error instanceof AllocationClientError) throw error;
    throw new UnreachableError(`${method} ${url}${path} failed: ${causeOf(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Says why `fetch` failed. Node has the reason in the cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}

/** Waits. @throws the reason of the signal */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
