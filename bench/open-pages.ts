import { setTimeout as sleep } from 'node:timers/promises';

/** How many browsers show the page: one half its section Now, the other half its live events. */
const PAGES = 20;
/** How often a page asks for the status (`src/page/live.js`). */
const STATUS_EVERY_MS = 1_500;
/** After which time a page opens a lost stream of events again (`src/page/event-stream.js`). */
const REOPEN_MS = 500;

/**
 * Asks the service for what open pages ask for, without a browser, which would take the processor
 * time that the bench measures.
 *
 * @param url of the service
 * @returns what closes the pages
 */
export function openPages(url: string): AsyncDisposable {
  const closing = new AbortController();
  const { signal } = closing;
  const again = async (act: () => Promise<void>, pauseMs: number) => {
    while (!signal.aborted) {
      await act().catch(() => {});
      await sleep(pauseMs, undefined, { signal }).catch(() => {});
    }
  };
  const pages = Array.from({ length: PAGES }, (_, index) => {
    const polls = again(() => read(`${url}/status`, signal), STATUS_EVERY_MS);
    const events = index % 2 && again(() => read(`${url}/events?sample=true`, signal), REOPEN_MS);
    return Promise.all([polls, events]);
  });
  return {
    async [Symbol.asyncDispose]() {
      closing.abort();
      await Promise.all(pages);
    },
  };
}

/** Reads the answer to its end. @throws when the service refuses, or the stream is lost */
async function read(url: string, signal: AbortSignal): Promise<void> {
  const { ok, status, body } = await fetch(url, { signal });
  if (!ok) throw new Error(`The service answered ${status} to ${url}`);
  for await (const _ of body ?? []);
}
