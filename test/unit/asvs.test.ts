import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const filesIn = (folder: string) => globSync(`${folder}/**/*.ts`, { cwd: root });
const sources = filesIn('src');
const tests = filesIn('test');

const text = readFileSync(join(root, 'docs', 'asvs.md'), 'utf8');
/** The rows of the tables of requirements, in cells. */
const rows = text
  .split('\n')
  .filter((line) => /^\| \d+\.\d+\.\d+ /.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()));
const spansOf = (cell = '') => [...cell.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span);
const numbersIn = (texts: readonly string[]) =>
  texts.flatMap((each) => each.match(/\b\d+\.\d+\.\d+\b/g) ?? []).sort();

describe('docs/asvs.md', () => {
  it('names files and tests that exist, so that each name fits one', () => {
    const named = rows.flatMap(([, , , how, shown]) => [
      ...spansOf(how).filter((span) => span.endsWith('.ts')),
      ...spansOf(shown).map((span) => `${span}.test.ts`),
    ]);
    expect(named.length).toBeGreaterThan(200);
    const fits = (name: string) =>
      [...sources, ...tests].filter((path) => `/${path}`.endsWith(`/${name}`));
    expect(named.filter((name) => fits(name).length !== 1)).toEqual([]);
  });

  it('explains each gap that a row has, and no other', () => {
    const gaps = rows.filter(([, , , how]) => /^(in part|not met)/.test(how ?? ''));
    const explained = text.match(/^- \*\*[\d., ]+\*\*/gm) ?? [];
    expect(numbersIn(explained)).toEqual(numbersIn(gaps.map(([, number = '']) => number)));
  });
});
