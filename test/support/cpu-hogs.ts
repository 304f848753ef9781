import { spawn } from 'node:child_process';

/** Busy for ever, but ends when its input does. */
const HOG = `
process.stdin.resume().on('end', () => process.exit());
(function work() { const until = Date.now() + 50; while (Date.now() < until); setImmediate(work); })();
`;

/** Takes as much of the machine as so many busy processes can. Ends with this process. @returns ends them now */
export function startCpuHogs(count: number): () => void {
  const hogs = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', HOG], { stdio: ['pipe', 'ignore', 'ignore'] }),
  );
  for (const hog of hogs) hog.unref();
  return () => {
    for (const hog of hogs) hog.kill('SIGKILL');
  };
}
