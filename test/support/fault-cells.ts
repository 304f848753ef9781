import fc from 'fast-check';
import { FAULT_POINTS, type FaultPoint } from '../../src/fault-points.ts';
import { LANES } from './command-flow.ts';

const KINDS = ['kill', 'throw', 'stall'] as const;
const BACKENDS = [
  { log: 'the embedded log', database: 'SQLite' },
  { log: 'the embedded log', database: 'PostgreSQL' },
  { log: 'Kafka', database: 'SQLite' },
  { log: 'Kafka', database: 'PostgreSQL' },
] as const;

/** A lane passes these points when it closes. */
export const CLOSING: ReadonlySet<FaultPoint> = new Set([
  'partition-revoked',
  'relay-drained',
  'outbox-emptied',
]);
/** Each lane passes these points once. Each delivery passes the later points. */
const OPENING: ReadonlySet<FaultPoint> = new Set(
  FAULT_POINTS.slice(0, FAULT_POINTS.indexOf('delivered')),
);
/** The points within a transaction of the lane's database, and within one of the log. */
const IN_DATABASE = between('lane-locked', 'progress-written');
const IN_LOG = between('transaction-joined', 'offset-sent');
const MOST_PASSINGS = 5;

/** A fault at one point. */
export interface Fault {
  readonly point: FaultPoint;
  readonly kind: (typeof KINDS)[number];
  /** Which passing of the point has the fault, from 1. */
  readonly passing: number;
}

/** A fault at one point, on one backend. */
export type Cell = Fault & (typeof BACKENDS)[number];

function between(first: FaultPoint, last: FaultPoint): ReadonlySet<FaultPoint> {
  return new Set(FAULT_POINTS.slice(FAULT_POINTS.indexOf(first), FAULT_POINTS.indexOf(last) + 1));
}

/** Says whether the kind can happen at the point: closing a lane promises not to throw. */
const isPossible = ({
  point,
  kind,
}: {
  readonly point: FaultPoint;
  readonly kind: Fault['kind'];
}) => kind !== 'throw' || !CLOSING.has(point);

/** Returns every cell of the matrix. */
export function wholeMatrix(seed: number): readonly Cell[] {
  const cells = BACKENDS.flatMap((backend) =>
    FAULT_POINTS.flatMap((point) => KINDS.map((kind) => ({ ...backend, point, kind }))),
  );
  return cells
    .filter(isPossible)
    .map((cell, index) => ({ ...cell, passing: passingOf(cell.point, index, seed) }));
}

/**
 * Takes every point once, in an order by the seed. Kinds and backends take turns, so that every
 * kind meets every backend.
 */
export function sampleOfMatrix(seed: number): readonly Cell[] {
  const [points = []] = fc.sample(
    fc.shuffledSubarray([...FAULT_POINTS], { minLength: FAULT_POINTS.length }),
    { seed, numRuns: 1 },
  );
  return points.map((point, index) => {
    const kind = KINDS[index % KINDS.length] as Fault['kind'];
    const backend = BACKENDS[index % BACKENDS.length] as (typeof BACKENDS)[number];
    return {
      ...backend,
      point,
      kind: isPossible({ point, kind }) ? kind : 'kill',
      passing: passingOf(point, index, seed),
    };
  });
}

/** Says whether a process that stops at the point keeps a SQLite file locked. */
export function isLocking({ point, log, database }: Cell): boolean {
  return (
    (database === 'SQLite' && IN_DATABASE.has(point)) || (log !== 'Kafka' && IN_LOG.has(point))
  );
}

/** Says whether the database, the log, or both are in SQLite. */
export function hasFile({ log, database }: Cell): boolean {
  return database === 'SQLite' || log !== 'Kafka';
}

function passingOf(point: FaultPoint, index: number, seed: number): number {
  if (point === 'failure-claimed') return 1;
  return 1 + ((seed + index) % Math.min(passingsOf(point), MOST_PASSINGS));
}

/** Says how often a service passes the point under load, at least. */
export function passingsOf(point: FaultPoint): number {
  if (isLeftBehind(point)) return 1;
  return OPENING.has(point) || CLOSING.has(point) ? LANES : Number.POSITIVE_INFINITY;
}

/** Says whether a service passes the point only with what a crash has left. */
export function isLeftBehind(point: FaultPoint): boolean {
  return point.startsWith('left-behind');
}
