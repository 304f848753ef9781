// @ts-check
import { Store } from './store.js';

const TIMEOUT_MS = 15_000;

/** What went wrong with a request, in a sentence for people. */
export class Problem extends Error {
  /**
   * @param {number} status of HTTP; 0: the service did not answer
   * @param {string} message
   * @param {{ field: string, message: string }[]} errors the wrong fields of a command
   */
  constructor(status, message, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

/**
 * The token of the user, which lives as long as this tab. `refusal` says why the service wants
 * another one; null: the service has not asked.
 * @type {Store<{ token: string | null, refusal: string | null }>}
 */
export const session = new Store({ token: sessionStorage.getItem('token'), refusal: null });

/** @param {string | null} token null: sign out */
export function signIn(token) {
  if (token === null) sessionStorage.removeItem('token');
  else sessionStorage.setItem('token', token);
  session.set({ token, refusal: token === null ? 'You have signed out.' : null });
}

/** @returns {Record<string, string>} */
export function authorization() {
  const { token } = session.value;
  return token === null ? {} : { authorization: `Bearer ${token}` };
}

/**
 * Asks the service.
 *
 * @param {string} path
 * @param {{ body?: unknown, method?: string, signal?: AbortSignal }} [options]
 * @returns {Promise<{ data: any, next: string | null, location: string | null }>} the answer, the
 * path of the next page, and the path of a job
 * @throws {Problem} the service refused, or did not answer
 */
export async function ask(path, { body, method = 'GET', signal } = {}) {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const silence = (/** @type {unknown} */ error) => {
    if (signal?.aborted) throw error;
    throw new Problem(0, 'The service does not answer. The page keeps asking.');
  };
  const response = await fetch(path, {
    method,
    headers: {
      ...authorization(),
      ...(body !== undefined && { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch(silence);
  if (!response.ok) throw await problemOf(response);
  const [, next = null] = /<([^>]+)>; *rel="?next/.exec(response.headers.get('link') ?? '') ?? [];
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  return {
    // The connection may break in the middle of an answer.
    data: await (isJson ? response.json() : response.text()).catch(silence),
    next,
    location: response.headers.get('location'),
  };
}

/**
 * Asks the service to act.
 * @param {string} path
 * @param {unknown} [body]
 */
export function post(path, body) {
  return ask(path, { method: 'POST', body });
}

/**
 * Reads the problem of an answer, and asks for a token if that is the problem.
 * @param {Response} response
 */
export async function problemOf(response) {
  const isProblem = /problem\+json/.test(response.headers.get('content-type') ?? '');
  if (!isProblem)
    return new Problem(response.status, `The answer has the status ${response.status}.`);
  const unread = { title: `The answer has the status ${response.status}.` };
  const { detail, title, errors = [] } = await response.json().catch(() => unread);
  if (response.status === 401) session.set({ ...session.value, refusal: detail });
  return new Problem(response.status, detail ?? title, errors);
}

/**
 * Writes a path with the query parameters that have a value.
 *
 * @param {string} path
 * @param {Record<string, string | number | null | undefined>} query
 */
export function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== '');
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length === 0 ? path : `${path}?${search}`;
}
