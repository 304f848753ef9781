import { writeSync } from 'node:fs';
import { type FaultPoint, faults } from '../../src/fault-points.ts';

/*
 * The service with one fault in it: whoever passes FAULT_POINT for the FAULT_PASSING-th time is the victim of FAULT_KIND.
 *
 * kill: the process dies by SIGKILL; throw: an error there, once; stall: the whole process stands still, past its session.
 */

/** Longer than the 6 seconds of a session (kafka-consumer.ts) or lease (embedded-consumer.ts), and long enough for the next owner to begin. */
const STALL_MS = 9_000;

const { FAULT_POINT: point, FAULT_KIND: kind, FAULT_PASSING: passing } = process.env;
let left = Number(passing);

faults.at = (passed: FaultPoint) => {
  if (passed !== point) return;
  left -= 1;
  if (left !== 0) return;
  say(`The fault: ${kind} at ${point}`);
  if (kind === 'kill') process.kill(process.pid, 'SIGKILL');
  if (kind === 'throw') throw new Error(`Thrown at ${point}`);
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS);
  say('The stall is over');
};

/** At once: a killed process has no later. */
function say(line: string): void {
  writeSync(process.stderr.fd, `${line}\n`);
}

await import('../../src/cli/allocation.ts');
