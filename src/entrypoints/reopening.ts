import {
  DatabaseTroubleError,
  FailoverError,
  FencedError,
  TroubleError,
} from '../service-layer/errors.ts';
import { ParkingFullError } from '../service-layer/parking.ts';
import { LaneRefusedError, OlderDatabaseError } from './lane-refusal.ts';

/** Why a lane stopped and opens anew. */
export const REOPENING_CAUSES = [
  'fenced',
  'failover',
  'older-database',
  'refused',
  'other-lane',
  'database',
  'broker',
  'other',
] as const;
export type ReopeningCause = (typeof REOPENING_CAUSES)[number];

/** The last time that a lane stopped, or failed to open. */
export interface Reopening {
  /** ISO 8601 in UTC. */
  readonly at: string;
  readonly cause: ReopeningCause;
  /** One sentence for people. */
  readonly message: string;
}

/** Stops a lane because what another lane of the process has found may hold for this lane too. */
export class OtherLaneError extends TroubleError {}

/** The first class that fits counts, so a class comes before its base. */
const CAUSES: readonly (readonly [new (...parameters: never[]) => Error, ReopeningCause])[] = [
  [FailoverError, 'failover'],
  [FencedError, 'fenced'],
  [OlderDatabaseError, 'older-database'],
  [LaneRefusedError, 'refused'],
  [OtherLaneError, 'other-lane'],
  [ParkingFullError, 'other'],
  [DatabaseTroubleError, 'database'],
  // A lane meets only the database and the broker.
  [TroubleError, 'broker'],
];

/** Names the cause of the error that stopped a lane. */
export function causeOf(error: unknown): ReopeningCause {
  return CAUSES.find(([type]) => error instanceof type)?.[1] ?? 'other';
}
