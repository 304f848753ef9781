import { existsSync, writeSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { type FaultPoint, faults } from '../../src/fault-points.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';

/*
 * The service with one fault in it: whoever passes FAULT_POINT for the FAULT_PASSING-th time is the victim of FAULT_KIND.
 *
 * kill: the process dies by SIGKILL; throw: an error there, once; stall: the whole process stands still, until there is a file FAULT_END.
 * With FAULT_UNLOCKED, a SQLite file, the victim is the first from then on that passes while this process
 * does not have the file locked. Of FAULT_PASSINGS the last is the victim even so; a line then says that
 * the file is locked.
 * With FAULT_ORDERS, the handler fails on orders whose ids end so.
 */

const LOOK_MS = 20;
/** Another process lets go of the lock by then. */
const LOCK_MS = 500;

const {
  FAULT_POINT: point,
  FAULT_KIND: kind,
  FAULT_PASSING: passing,
  FAULT_END: end = '',
  FAULT_UNLOCKED: unlocked,
} = process.env;
const { FAULT_ORDERS: orders, FAULT_PASSINGS: passings = 'Infinity' } = process.env;
let left = Number(passing);
let passingsLeft = Number(passings);
let isOver = false;

faults.at = (passed: FaultPoint) => {
  if (passed !== point || isOver) return;
  left -= 1;
  passingsLeft -= 1;
  if (left > 0) return;
  const hasLock = unlocked ? isLocked(unlocked) : false;
  if (hasLock && passingsLeft > 0) return;
  isOver = true;
  if (hasLock) say('The file is locked');
  say(`The fault: ${kind} at ${point}`);
  if (kind === 'kill') process.kill(process.pid, 'SIGKILL');
  if (kind === 'throw') throw new Error(`Thrown at ${point}`);
  while (!existsSync(end)) standStill();
  say('The stall is over');
};

/** Looks when the thread of the database has done all that it was told (sqlite-thread.ts): while this one stands still it is told no more. */
function isLocked(file: string): boolean {
  standStill();
  const connection = new SqliteDatabase(file, { timeout: LOCK_MS });
  try {
    connection.exec('begin immediate; rollback');
    return false;
  } catch {
    return true;
  } finally {
    connection.close();
  }
}

function standStill(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_MS);
}

if (orders) {
  const { handle } = MessageBus.prototype;
  MessageBus.prototype.handle = async function (command, unitOfWork) {
    if ('orderid' in command && command.orderid.endsWith(orders))
      throw new Error('The handler has a bug');
    return handle.call(this, command, unitOfWork);
  };
}

/** At once: a killed process has no later. */
function say(line: string): void {
  writeSync(process.stderr.fd, `${line}\n`);
}

await import('../../src/cli/allocation.ts');
