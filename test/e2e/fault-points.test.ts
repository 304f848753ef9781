// @module-tag db
// @module-tag kafka
// @module-tag slow
// @module-tag campaign

import { beforeAll, describe, expect, inject, it } from 'vitest';
import {
  type Cell,
  CLOSING,
  type Fault,
  hasFile,
  isLeftBehind,
  isLocking,
  sampleOfMatrix,
  wholeMatrix,
} from '../support/fault-cells.ts';
import { Trial } from '../support/fault-trial.ts';
import { RecoveryTimes } from '../support/recovery-times.ts';

/** FAULTS=all runs every cell of the matrix, otherwise each point once. FAULTS_SEED repeats it. */
const isWhole = process.env.FAULTS === 'all';
const seed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** How soon everything ought to be answered after the restart, the error, or the stall's end. */
const TARGET_MS = { kill: 8_000, throw: 10_000, stall: 10_000 };
const CELL_MS = 180_000;
const AGAIN_MS = 3_600_000;

const brokers = inject('kafkaBrokers');
const postgres = inject('postgresUrl');
const times = new RecoveryTimes();
/** Late cells that the whole run tries again alone: side by side, cells slow each other down. */
const late: { readonly cell: Cell; readonly ms: number }[] = [];

describe(`the service under load, with a fault between two steps (FAULTS_SEED=${seed})`, () => {
  beforeAll(() => {
    process.stdout.write(`FAULTS_SEED=${seed}\n`);
  });

  for (const cell of isWhole ? wholeMatrix(seed) : sampleOfMatrix(seed)) {
    const { point, kind, passing, log, database } = cell;
    const isThere = (log !== 'Kafka' || brokers) && (database !== 'PostgreSQL' || postgres);
    it(
      `answers all once: ${kind} ${passing} at ${point}, ${log} and ${database}`,
      { concurrent: true, skip: !isThere, timeout: CELL_MS },
      ({ onTestFailed }) => tryCell(cell, onTestFailed),
    );
  }

  it('recovers soon from each fault', { timeout: AGAIN_MS }, async ({ onTestFailed }) => {
    for (const { cell, ms } of late) {
      const aloneMs = await endureCell(cell, onTestFailed);
      process.stdout.write(`${cell.kind} at ${cell.point}: ${ms} ms, alone ${aloneMs} ms\n`);
      times.add(cell.kind, aloneMs, TARGET_MS[cell.kind]);
    }
    process.stdout.write(times.text());
    expect(times.complaints()).toEqual([]);
  });
});

async function tryCell(cell: Cell, onTestFailed: (handler: () => void) => void): Promise<void> {
  const targetMs = TARGET_MS[cell.kind];
  const ms = await endureCell(cell, onTestFailed);
  if (isWhole && ms > targetMs && ms < 2 * targetMs) late.push({ cell, ms });
  else times.add(cell.kind, ms, targetMs);
}

/**
 * Runs the service until the fault, then its follower until all is at rest, and asks the judge.
 * @returns how long it took until everything was answered, in ms
 */
async function endureCell(
  cell: Cell,
  onTestFailed: (handler: () => void) => void,
): Promise<number> {
  const { point, kind } = cell;
  await using trial = await Trial.open(cell);
  onTestFailed(() => process.stdout.write(trial.output()));
  await trial.bringStock();
  if (point === 'lost-offset-committed') await trial.forgetOffsets();
  if (isLeftBehind(point)) {
    const crash: Fault = { point: 'database-committed', kind: 'kill', passing: 1 };
    await trial.waitForFault(crash, trial.start(crash));
  }
  // The stall waits until the file is unlocked. Otherwise another lane's transaction would keep the
  // next owner from taking over.
  const unlocked = kind === 'stall' && hasFile(cell) && !isLocking(cell) ? trial.file : '';
  const faulty = trial.start(cell, unlocked);
  if (CLOSING.has(point)) await trial.stopAtWork(faulty);
  await trial.waitForFault(cell, faulty);
  const follower = kind === 'throw' ? null : trial.start(null);
  if (follower && kind === 'stall') await trial.waitForFollower(cell, faulty, follower);
  const recoveryMs = await trial.waitForRecovery();
  await trial.stopAll();
  await trial.expectRightHistory(point);
  return recoveryMs;
}
