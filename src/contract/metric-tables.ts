import type { LabelValues, ListedMetric } from '../entrypoints/metrics/book.ts';
import { markdownTable } from './markdown.ts';

const LINE_COLUMNS = 100;

/** Makes the generated parts of docs/metrics.md, by the names in its markers. */
export function metricTables(metrics: readonly ListedMetric[]): ReadonlyMap<string, string> {
  const rows = metrics.map(({ name, type, labels = {}, help }) => [
    code(name),
    type,
    Object.keys(labels).map(code).join(', '),
    help,
  ]);
  return new Map([
    ['metrics', markdownTable(['name', 'type', 'labels', 'meaning'], rows)],
    ['metric-labels', labelLines(metrics).join('\n')],
  ]);
}

const code = (text: string) => `\`${text}\``;

/** Says which values each label has, and which metrics have it. */
function labelLines(metrics: readonly ListedMetric[]): readonly string[] {
  const labels = metrics.flatMap(({ name, labels = {} }) =>
    Object.entries(labels).map(([label, values]) => {
      return { name, meaning: `${code(label)} is ${valuesText(values)}` };
    }),
  );
  const byMeaning = Map.groupBy(labels, ({ meaning }) => meaning);
  return [...byMeaning].map(([meaning, alike]) =>
    wrapped(`- ${meaning} (${alike.map(({ name }) => code(name)).join(', ')})`),
  );
}

function valuesText(values: LabelValues): string {
  return typeof values === 'string' ? values : values.map(code).join(', ');
}

/** Breaks an item of a list into lines. */
function wrapped(item: string): string {
  const lines = [''];
  for (const word of item.split(' ')) {
    const line = lines.at(-1) ?? '';
    const longer = line === '' ? word : `${line} ${word}`;
    if (longer.length <= LINE_COLUMNS) lines[lines.length - 1] = longer;
    else lines.push(`  ${word}`);
  }
  return lines.join('\n');
}
