import { cpus, totalmem } from 'node:os';
import type { Figures } from './cases.ts';

/** The figures of all runs. */
export interface Results {
  readonly options: Readonly<Record<string, number>>;
  /** The peers that could not run here, and why. */
  readonly absent: readonly string[];
  readonly peers: readonly { readonly name: string; readonly doesNot: string }[];
  readonly rows: readonly Row[];
}

export interface Row {
  /** The name of the case. */
  readonly name: string;
  readonly contender: string;
  readonly runs: readonly Figures[];
  /**
   * The figures to compare with, run by run. A peer is compared with the service, a variant of the
   * work with the plain work.
   */
  readonly other: readonly Figures[] | null;
  readonly isPeer: boolean;
}

const machine =
  `${cpus().length} x ${cpus()[0]?.model.trim()}, ` +
  `${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
const durability =
  'Kafka 4.1.0 on the same machine: 1 broker, 4 partitions, acks=all; ' +
  'service and twin: SQLite with WAL and synchronous=FULL, exactly once on';

export function asJson(results: Results): string {
  return `${JSON.stringify({ machine, durability, ...results })}\n`;
}

/**
 * Returns the table for people: medians, spread, and ratios. A ratio compares figures of the same
 * run.
 */
export function asTable({ options, absent, peers, rows }: Results): string {
  const { commands, runs, seconds } = options;
  const lines = [
    machine,
    durability,
    `${commands?.toLocaleString('en')} orders (variants: a fifth), ` +
      `${runs} runs, ${seconds} s of latency`,
    ...absent.map((why) => `Not measured: ${why}`),
    '',
    '| case | who | figure | median | least | most | ratio |',
    '|---|---|---|---|---|---|---|',
    ...rows.flatMap((row) => Object.keys(row.runs[0] ?? {}).map((figure) => lineOf(row, figure))),
    '',
    ...peers.map(({ name, doesNot }) => `- ${name}: ${doesNot}.`),
  ];
  return `${lines.join('\n')}\n`;
}

function lineOf(row: Row, figure: string): string {
  const values = row.runs.map((run) => run[figure] ?? Number.NaN);
  const { median, least, most } = summary(values);
  const cells = [
    row.name,
    row.contender,
    figure,
    ...[median, least, most].map((value) => value.toLocaleString('en')),
    ratioOf(row, figure),
  ];
  return `| ${cells.join(' | ')} |`;
}

function ratioOf({ runs, other, isPeer }: Row, figure: string): string {
  if (!other || !figure.endsWith('PerSecond')) return '';
  const ratios = runs.map((run, index) => {
    const ratio = (run[figure] ?? Number.NaN) / (other[index]?.[figure] ?? Number.NaN);
    return isPeer ? 1 / ratio : ratio;
  });
  const rounded = Math.round(summary(ratios).median * 100) / 100;
  return isPeer ? `the service: ${rounded} x` : `${rounded} x spread`;
}

function summary(values: readonly number[]): { median: number; least: number; most: number } {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    median: sorted[Math.floor(sorted.length / 2)] ?? 0,
    least: sorted[0] ?? 0,
    most: sorted.at(-1) ?? 0,
  };
}
