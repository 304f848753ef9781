import { existsSync, writeSync } from 'node:fs';
import SqliteDatabase from 'better-sqlite3';
import { type FaultPoint, faults } from '../../src/fault-points.ts';
import { MessageBus } from '../../src/service-layer/message-bus.ts';

/*
 * The service with one fault. The fault of FAULT_KIND happens at the FAULT_PASSING-th passing of
 * FAULT_POINT.
 *
 * kill: the process dies by SIGKILL. throw: an error is thrown there, once. stall: the whole
 * process stands still until the file FAULT_END exists.
 * FAULT_UNLOCKED names a SQLite file. The fault then waits for the first passing at which this
 * process has not locked the file. The passing number FAULT_PASSINGS is the last: the fault happens
 * there in any case, and a line then says that the file is locked.
 * FAULT_ORDERS makes the handler fail on orders whose ids end with that text.
 */

const LOOK_MS = 20;
/** Another process lets go of its lock within this time. */
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

/**
 * Tells whether this process has locked the file. It first waits until the database thread
 * (sqlite-thread.ts) has done its work. While this thread stands still, the database thread gets no
 * more.
 */
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

/** Writes synchronously, because a killed process writes nothing later. */
function say(line: string): void {
  writeSync(process.stderr.fd, `${line}\n`);
}

await import('../../src/cli/allocation.ts');
