import type { Command } from '../../domain/commands.ts';
import { describeSkipped } from '../../replay/foreign-records.ts';
import { describeRanges, describeTime, describeTopic } from '../../replay/plan-texts.ts';
import { whatIf } from '../../replay/what-if.ts';
import { countSteps, planWhatIf, type WhatIfPlan } from '../../replay/what-if-plan.ts';
import {
  type CommandDifference,
  verdictOfWhatIf,
  type WhatIfReport,
} from '../../replay/what-if-report.ts';
import { awaitBroker } from '../broker-deadline.ts';
import { print, printJson, printTable, visible } from '../output.ts';
import { withBroker } from '../session.ts';
import { confirmPlan } from './confirm-plan.ts';
import { parseRange, type ReplayOptions } from './options.ts';
import { adviseSkipping } from './skip-foreign.ts';
import { withProgress } from './with-progress.ts';

export interface CommandsOptions extends ReplayOptions {
  readonly from?: string;
  readonly to?: string;
  readonly type?: Command['type'];
  readonly sku?: string;
  readonly skipForeign: boolean;
}

/** Steps per second on an ordinary machine, for the estimate in the plan. */
const USUAL_RATE = 25_000;

/** Runs `allocation replay commands`. */
export async function replayCommands(options: CommandsOptions): Promise<void> {
  const { skipForeign, type = null, sku = null } = options;
  const range = parseRange(options);
  await withBroker({ mayCreate: false }, async ({ config, broker }) => {
    const plan = await awaitBroker(planWhatIf(broker, config, { ...range, skipForeign }), config);
    const total = countSteps(plan);
    if (!(await confirmPlan(describePlan(plan, total, options), options))) return;
    const howToGoOn = 'Nothing was changed. Run the same command to begin again';
    const outcome = await withProgress(
      { total, done: 0, unit: 'steps', howToGoOn },
      options,
      (control) => adviseSkipping(whatIf(broker, plan, { type, sku }, control)),
    );
    if (!outcome) return;
    const { result, seconds } = outcome;
    const verdict = verdictOfWhatIf(result);
    if (verdict !== 'equal') process.exitCode = 1;
    if (options.json) return printJson({ result: verdict, ...result, seconds });
    printReport(result, seconds);
    if (skipForeign) print(`Skipped records of others: ${describeSkipped(result.foreign)}`);
  });
}

function describePlan(
  { commandsTopic, commands, eventsTopic, events, deadLettersTopic, deadLetters }: WhatIfPlan,
  total: number,
  { from, to, type, sku, maxRate }: CommandsOptions,
) {
  const about = sku === undefined ? '' : ` about ${sku}`;
  const end = to === undefined ? 'to the last' : `up to ${to} (exclusive)`;
  return {
    commands: describeTopic(commandsTopic, commands),
    ranges: describeRanges(commands),
    compared: visible(`${type ?? 'all commands'}${about}, from ${from ?? 'the first'} ${end}`),
    events: describeTopic(eventsTopic, events),
    'dead letters': describeTopic(deadLettersTopic, deadLetters),
    target: 'a temporary database: nothing is published or changed',
    time: describeTime(total, USUAL_RATE, maxRate),
  };
}

function printReport(report: WhatIfReport, seconds: number): void {
  const { same, different, skipped, outOfTurn, differences } = report;
  for (const difference of differences) print(describeDifference(difference));
  const count = Object.values(different).reduce((sum, each) => sum + each, 0);
  if (count > differences.length) print(`… and ${count - differences.length} more`);
  if (count > 0) print('');
  printTable(
    ['COMMANDS', 'COUNT'],
    [
      ['same outcome', same],
      ...Object.entries(different).map(([kind, of]) => [`different: ${kind}`, of] as const),
      ['skipped: in the dead letters', skipped.deadLetters],
      ['skipped: repeated', skipped.repeated],
      ['skipped: not answered yet', skipped.unanswered],
      ['not compared: not asked for', skipped.notCompared],
    ],
  );
  if (outOfTurn.count > 0) {
    print(
      `\n${outOfTurn.count} commands could not be placed by the sequences of their events, and ` +
        `were placed by time: ${outOfTurn.first.join(', ')}, …`,
    );
  }
  print(`\n${describeVerdict(report, seconds)}`);
}

function describeVerdict(report: WhatIfReport, seconds: number): string {
  const { handled, folded } = report;
  const verdict = verdictOfWhatIf(report);
  if (verdict === 'nothing-compared')
    return (
      `Nothing was compared: ${handled} commands handled again in ${seconds} s, and none of them ` +
      'was asked for. Change --from, --to, --type or --sku'
    );
  const state = folded > 0 ? ` on the state that ${folded} before them had left` : '';
  const word = verdict === 'equal' ? 'Equal' : 'Different';
  return `${word}: ${handled} commands handled again in ${seconds} s${state}`;
}

function describeDifference(difference: CommandDifference): string {
  const { kind, id, type, place, placedBy, published, now } = difference;
  const doubt = placedBy === 'time' ? ' (placed by time alone)' : '';
  return visible(
    `${kind}: ${type ?? 'the message'} ${id} at ${place}${doubt}: ` +
      `published ${published}, now ${now}`,
  );
}
