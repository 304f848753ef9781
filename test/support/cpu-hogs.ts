import { spawn } from 'node:child_process';

/** The program of a busy process. It ends when its input ends. */
const HOG = `
process.stdin.resume().on('end', () => process.exit());
(function work() {
  const until = Date.now() + 50;
  while (Date.now() < until);
  setImmediate(work);
})();
`;

/**
 * Starts this many busy processes, which take time away from the machine. They end with this
 * process.
 * @returns a function that ends them now
 */
export function startCpuHogs(count: number): () => void {
  const hogs = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', HOG], { stdio: ['pipe', 'ignore', 'ignore'] }),
  );
  for (const hog of hogs) hog.unref();
  return () => {
    for (const hog of hogs) hog.kill('SIGKILL');
  };
}
