import type { Violation } from '../support/judge/violations.ts';
import type { LiveViolation } from './live-reader.ts';
import type { ParkedTooLate } from './parked-too-late.ts';
import type { TooEarly } from './too-early.ts';

/** What is wrong with a history. `not-stopped`: a machine was told to stop and did not. */
export type Finding =
  | Violation
  | LiveViolation
  | TooEarly
  | ParkedTooLate
  | {
      readonly kind: 'stuck' | 'not-stopped' | 'ahead' | 'thrown' | 'answered-after-truncation';
      readonly detail: string;
    };
export type FindingKind = Finding['kind'];
