import { delimiter, dirname } from 'node:path';

/**
 * What a program that a test starts needs of the environment of the test. Scripts that look for
 * `node` on the path find the Node that runs the test. Programs share the cache of compiled code
 * that `test/run.ts` makes, and start in half the time.
 */
export function nodeEnvironment(): Record<string, string> {
  const { PATH, NODE_COMPILE_CACHE } = process.env;
  return {
    PATH: [dirname(process.execPath), PATH].join(delimiter),
    ...(NODE_COMPILE_CACHE && { NODE_COMPILE_CACHE }),
  };
}
