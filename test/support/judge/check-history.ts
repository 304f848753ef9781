import { checkBodies } from './check-bodies.ts';
import {
  checkOutbox,
  checkParkedCommands,
  checkPositions,
  checkProcessedIds,
  checkStock,
} from './check-database.ts';
import { checkDeadLetters } from './check-dead-letters.ts';
import { checkEnvelopes } from './check-envelopes.ts';
import { checkLaneOrder, checkSequences, checkSubjects } from './check-order.ts';
import { checkOutcomes } from './check-outcomes.ts';
import { checkParking } from './check-parking.ts';
import { withoutCutAnswers } from './cut-answers.ts';
import { DeletedRecords } from './deleted-records.ts';
import { handledCommands } from './handled-commands.ts';
import type { History } from './history.ts';
import { readAnswers } from './read-answers.ts';
import { readCommands } from './read-commands.ts';
import { readDeadLetters } from './read-dead-letters.ts';
import type { Allowances, Case, Rule } from './rule.ts';
import { type Report, type Violation, type ViolationKind, Violations } from './violations.ts';

/*
 * The judge of a fault campaign decides whether every command was answered exactly once, and
 * rightly. It reads only what anybody can read: the topics as a `read_committed` client sees them,
 * the tables, and the offsets of the group. It shares no code with the service.
 */

/** The rules about what was published. They hold at any time. */
const RULES_OF_TOPICS: readonly Rule[] = [
  checkBodies,
  checkDeadLetters,
  checkParking,
  checkEnvelopes,
  checkLaneOrder,
  checkSubjects,
  checkSequences,
];

/** The rules about the database and the group. They hold once the service has stopped in order. */
const RULES_AT_REST: readonly Rule[] = [
  checkProcessedIds,
  checkPositions,
  checkOutbox,
  checkParkedCommands,
];

/** What may still be put right while the history goes on. */
const STILL_TO_COME: ReadonlySet<ViolationKind> = new Set([
  'unanswered',
  'parked-for-nothing',
  'overtaken',
]);

/**
 * Returns the violations of a history, at most five of each kind. The history must be at rest,
 * unless the allowances say otherwise.
 */
export function checkHistory(whole: History, allowances: Allowances = {}): readonly Violation[] {
  const { isUnderWay = false } = allowances;
  const violations = new Violations();
  const report: Report = (kind, detail) => {
    if (!isUnderWay || !STILL_TO_COME.has(kind)) violations.report(kind, detail);
  };
  const judged = readCase(withoutCutAnswers(whole), allowances, report);
  for (const rule of RULES_OF_TOPICS) rule(judged, report);
  const models = checkOutcomes(judged, report);
  if (isUnderWay) return violations.all;
  checkStock(judged, models, report);
  for (const rule of RULES_AT_REST) rule(judged, report);
  return violations.all;
}

/** Reads what the rules look at, and reports what cannot be read. */
function readCase(history: History, allowances: Allowances, report: Report): Case {
  const deleted = new DeletedRecords(history);
  const answers = readAnswers(history, deleted, report);
  const letters = readDeadLetters(history, deleted, report);
  const commands = readCommands(history, answers, letters, deleted, report);
  const forgotten = deleted.answeredCommands(answers);
  const lanes = handledCommands(commands, forgotten, deleted, allowances, report);
  const unknownSkus = deleted.unknownSkus(answers.values());
  return { history, allowances, deleted, answers, commands, lanes, unknownSkus };
}
