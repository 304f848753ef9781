// @module-tag slow
// @module-tag campaign

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { FAULT_POINTS } from '../../src/fault-points.ts';
import { plants } from './planted-bugs/planted-bugs.ts';
import { witnesses } from './witnesses.ts';

const HISTORIES = 1_000;
/** Faults come by chance, the rarest three times in so many histories. Others may follow. */
const MOST_RUNS = 4;
/** The points at which a lane closes. */
const POINTS_THAT_CANNOT_THROW: readonly string[] = [
  'partition-revoked',
  'relay-drained',
  'outbox-emptied',
];
/** Within this many histories, a planted bug must show by every kind that it is a witness of. */
const HISTORIES_TO_FIND_A_BUG = 2_000;

const CLUSTER_FAULTS = [
  ...[
    'group coordinator moves',
    'transaction coordinator moves',
    'leader moves',
    'expelled machine',
  ],
  ...['retention of commands', 'retention of unanswered commands', 'retention of events'],
  ...[
    'offsets vanish',
    'offsets vanish among members',
    'truncation',
    'truncation of what was read',
  ],
];

const DATABASE_FAULTS = [
  ...['wait for a lock', 'lock time-out', 'serialization failure', 'sleeping transaction ended'],
  ...['silent connection', 'silent database connections'],
];

const execute = promisify(execFile);
const program = fileURLToPath(new URL('run.ts', import.meta.url));

/** Runs the program in a process of its own, whose clock and chance are the simulation's. */
async function run(
  ...options: string[]
): Promise<{ readonly code: number; readonly output: string }> {
  try {
    const { stdout } = await execute(process.execPath, [program, ...options], {
      maxBuffer: 64 * 1024 * 1024,
    });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, output: stdout + stderr };
  }
}

/** Every fault that the histories of a run must have met. */
const ALL_FAULTS = [
  ...FAULT_POINTS.flatMap((point) => [`kill at ${point}`, `stall at ${point}`]),
  ...FAULT_POINTS.filter((point) => !POINTS_THAT_CANNOT_THROW.includes(point)).map(
    (point) => `throw at ${point}`,
  ),
  ...CLUSTER_FAULTS,
  ...DATABASE_FAULTS,
];

it(`${HISTORIES} histories with faults at every point lose and repeat nothing`, async () => {
  const met = new Set<string>();
  const lacking = () => ALL_FAULTS.filter((fault) => !met.has(fault));
  for (let runs = 0; runs < MOST_RUNS && lacking().length > 0; runs += 1) {
    const { code, output } = await run('--histories', String(HISTORIES));
    process.stdout.write(output.slice(0, output.indexOf('{')));
    expect(code, output).toBe(0);
    for (const fault of Object.keys(JSON.parse(output.slice(output.indexOf('{'))))) met.add(fault);
  }
  expect(lacking()).toEqual([]);
  for (const point of POINTS_THAT_CANNOT_THROW) expect(met).not.toContain(`throw at ${point}`);
}, 1_200_000);

it('the same seed gives the same history', async () => {
  const [one, again] = await Promise.all([run('--seed', '4711'), run('--seed', '4711')]);
  expect(one.output.split('\n').length).toBeGreaterThan(100);
  expect(one.output).toBe(again.output);
}, 60_000);

describe('a search for every planted bug', () => {
  const searches = new Map<
    string,
    { readonly tried: number; readonly found: Readonly<Record<string, number>> }
  >();

  beforeAll(async () => {
    const { output } = await run('--every-plant', '--histories', String(HISTORIES_TO_FIND_A_BUG));
    for (const line of output.split('\n').filter((each) => each.startsWith('{'))) {
      const { plant, tried, found } = JSON.parse(line);
      searches.set(plant, { tried, found });
    }
  }, 1_200_000);

  it.each(Object.keys(plants))('finds the bug: %s', (bug) => {
    expect(searches.get(bug)?.found).not.toEqual({});
  });

  it.each(Object.entries(witnesses))('"%s" is shown by: %s', (kind, bug) => {
    expect(searches.get(bug)?.found).toHaveProperty(kind);
  });
});
