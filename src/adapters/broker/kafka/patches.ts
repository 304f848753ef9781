import { createRequire } from 'node:module';

/**
 * Mends a fault of kafkajs 2.2.4 that cannot be worked around from outside. Importing this file
 * applies it, once per process.
 *
 * Its request queue re-arms a timer for ever, also when nothing waits: 1,000 wake-ups per second
 * and connection, and under Node 24 a TimeoutNegativeWarning (its issue 1751).
 */
interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

const require = createRequire(import.meta.url);
const requestQueue: RequestQueue & { isMended?: true } =
  require('kafkajs/src/network/requestQueue').prototype;

if (!requestQueue.isMended) {
  requestQueue.isMended = true;
  const { scheduleCheckPendingRequests } = requestQueue;
  requestQueue.scheduleCheckPendingRequests = function (this: RequestQueue) {
    if (this.pending.length > 0) scheduleCheckPendingRequests.call(this);
  };
}
