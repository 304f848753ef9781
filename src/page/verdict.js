// @ts-check
import { formatClock, formatDuration, zoneName } from './time.js';

/** A lag beyond this is worth a look. */
const MAX_LAG_SECONDS = 60;

/**
 * Whether the service is well: a word, how bad it is, and the reasons as sentences.
 *
 * @typedef {{ word: string, level: 'good' | 'warn' | 'bad' | 'none', reasons: string[] }} Verdict
 */

/**
 * @param {import('./live.js').Live} live
 * @returns {Verdict}
 */
export function verdictOf({ status, problem, answeredAt, isSilent }) {
  if (isSilent) return silence(answeredAt);
  if (problem !== null && status === null)
    return { word: 'Unknown', level: 'warn', reasons: [problem.message] };
  if (status === null) return { word: 'Asking', level: 'none', reasons: ['Asking the service…'] };
  const bad = [...status.problems, ...status.lanes.flatMap(stuckText)];
  if (status.recovery.state === 'failed')
    bad.push(`The rebuild failed. ${status.recovery.progress ?? ''}`);
  if (!status.isReady && bad.length === 0) bad.push('The service is not ready.');
  const warnings = warningsOf(status, problem);
  if (status.recovery.state === 'running')
    return { word: 'Rebuilding', level: 'warn', reasons: [...warnings, ...bad] };
  if (bad.length > 0) return { word: 'Unwell', level: 'bad', reasons: [...bad, ...warnings] };
  if (warnings.length > 0) return { word: 'Attention', level: 'warn', reasons: warnings };
  const known = status.deadLetters.open === null ? ' The dead letters are not read yet.' : '';
  return { word: 'Well', level: 'good', reasons: [`Every lane works, and nothing waits.${known}`] };
}

/** @param {number | null} answeredAt */
function silence(answeredAt) {
  const since =
    answeredAt === null
      ? 'has not answered since this page opened'
      : `has not answered since ${formatClock(answeredAt)} ${zoneName()}`;
  return {
    word: 'Silent',
    level: /** @type {const} */ ('bad'),
    reasons: [`The service ${since}. The page keeps asking.`],
  };
}

/** @param {import('./types.js').Lane} lane */
function stuckText({ state, partition, problem }) {
  if (state !== 'stuck' && state !== 'refused') return [];
  return [`Lane ${partition} is ${state}. ${problem ?? 'The log of the service says why.'}`];
}

/**
 * @param {import('./types.js').Status} status
 * @param {import('./api.js').Problem | null} problem
 */
function warningsOf({ lanes, deadLetters, recovery }, problem) {
  const warnings = [];
  if (problem !== null) warnings.push(`The newest state is missing: ${problem.message}`);
  if (recovery.state === 'running')
    warnings.push(`A rebuild is running. ${recovery.progress ?? ''}`);
  for (const { partition, paused } of lanes)
    if (paused) warnings.push(`Lane ${partition} is paused by ${paused.by}: ${paused.reason}`);
  const unassigned = lanes.filter(({ state }) => state === 'unassigned').length;
  if (unassigned > 0) warnings.push(`${counted(unassigned, 'lane')} without an instance.`);
  const lag = Math.max(0, ...lanes.map(({ lagSeconds }) => lagSeconds ?? 0));
  if (lag > MAX_LAG_SECONDS)
    warnings.push(`The oldest unanswered command has waited for ${formatDuration(lag * 1_000)}.`);
  const { open, parked } = deadLetters;
  if (open) warnings.push(`${counted(open, 'dead letter')} to look at.`);
  if (parked) warnings.push(`${counted(parked, 'command')} parked behind a failed one.`);
  return warnings;
}

/**
 * Writes a count with its noun: `1 lane`, `2,000 lanes`.
 * @param {number} count
 * @param {string} noun
 */
export function counted(count, noun) {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

/** @param {number | null | undefined} number */
export function formatNumber(number) {
  return number == null ? '–' : number.toLocaleString('en-US', { maximumFractionDigits: 1 });
}
