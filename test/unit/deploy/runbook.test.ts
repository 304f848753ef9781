// @module-tag db

import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCliHere } from '../../support/cli.ts';
import { root, textOf, yamlOf } from '../../support/deployment.ts';
import { unknownSeries } from '../../support/exported-metrics.ts';

const { groups } = yamlOf('deploy/prometheus/allocation.rules.yml');
const alerts: ReadonlySet<string> = new Set(
  groups.flatMap(({ rules }: { rules: readonly { alert: string }[] }) =>
    rules.map(({ alert }) => alert),
  ),
);

const runbook = textOf('docs/runbook.md');
const [, beginning = '', ...sections] = runbook.split(/^## /m).map((text) => {
  const [title = '', ...lines] = text.split('\n');
  return { title, text: lines.join('\n') };
});
/** What stands in backticks, perhaps on two lines. */
const spans = [...runbook.matchAll(/(?<!`)`([^`]+)`(?!`)/g)].map(([, span = '']) =>
  span.replaceAll(/\s+/g, ' '),
);
/** The code of the service, with each text in one piece. */
const source = globSync('src/**/*.ts', { cwd: root })
  .map(textOf)
  .join('\n')
  .replaceAll(/['`] \+\n\s*['`]/g, '');
const commands = spans.flatMap((span) => /^npx allocation (.+)$/.exec(span)?.[1] ?? []);

describe('docs/runbook.md', () => {
  it('has a section for each alert, and no other', () => {
    expect(beginning).toMatchObject({ title: 'Begin here' });
    expect(sections.map(({ title }) => title).sort()).toEqual([...alerts].sort());
  });

  it.each(sections)('says what it means, where to look, what to do: $title', ({ text }) => {
    expect(text.match(/^\*\*[A-Z][a-z ]+\.\*\*/gm)).toEqual([
      '**What it means.**',
      '**Look at.**',
      '**Do.**',
      '**Do not.**',
    ]);
  });

  it('links to headings that exist', () => {
    const links = [...runbook.matchAll(/\]\((?<file>[\w./-]*)#(?<heading>[\w-]+)\)/g)];
    const missing = links.filter(({ groups: { file, heading } = {} }) => {
      const headings = textOf(`docs/${file || 'runbook.md'}`).match(/^#+ .*$/gm) ?? [];
      return !headings.map(anchorOf).includes(heading ?? '');
    });
    expect(missing.map(([link]) => link)).toEqual([]);
    expect(links).not.toEqual([]);
  });

  it('names only metrics that the service exports', () => {
    const metrics = spans.filter((span) => /^allocation_\w+$/.test(span));
    expect(metrics.flatMap(unknownSeries)).toEqual([]);
    expect(metrics).not.toEqual([]);
  });

  it('quotes what the service says', () => {
    const quotes = spans.filter((span) => span.includes('…') || /^(?!GET )[A-Z]\w* /.test(span));
    const pieces = quotes.flatMap((quote) => quote.split(/…|\d+/)).map((piece) => piece.trim());
    const missing = pieces.filter((piece) => piece.length > 5 && !source.includes(piece));
    expect(missing).toEqual([]);
    expect(quotes.length).toBeGreaterThan(10);
  });

  it.each([...new Set(commands)])(
    'names a command that exists: npx allocation %s',
    async (line) => {
      const words = line.split(' ');
      const end = words.findIndex((word) => !/^[a-z][a-z-]*$/.test(word));
      const path = end < 0 ? words : words.slice(0, end);
      const { code, stdout } = await runCliHere({}, root, [...path, '--help']);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: allocation ${path.join(' ')} `);
      for (const option of line.match(/--[a-z-]+/g) ?? []) expect(stdout).toContain(`  ${option}`);
    },
  );
});

/** Returns the fragment of a URL that leads to the heading. */
function anchorOf(heading: string): string {
  const words = heading.replace(/^#+ /, '').toLowerCase();
  return words.replaceAll(/[^\w\- ]/g, '').replaceAll(' ', '-');
}
