import { Worker } from 'node:worker_threads';

/* The service, whose threads end at SIGUSR2, like a thread that has run out of memory. */

const threads = new Set<Worker>();
const { postMessage } = Worker.prototype;

Worker.prototype.postMessage = function (...message) {
  threads.add(this);
  return postMessage.apply(this, message);
};

process.on('SIGUSR2', () => {
  for (const thread of threads) void thread.terminate();
});

await import('../../src/cli/allocation.ts');
