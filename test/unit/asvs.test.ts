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

/** The numbers behind "Does not apply", one by one: `7.1.1–7.1.3` are three. */
const leftOut = [...text.matchAll(/^Does not apply: (.+?)\. The\s/gms)].flatMap(([, list = '']) =>
  list.split(/,\s+/).flatMap((each) => {
    const [, section, first, last = first] =
      /^(\d+\.\d+)\.(\d+)(?:–\d+\.\d+\.(\d+))?$/.exec(each) ?? [];
    const count = Number(last) - Number(first) + 1;
    return Array.from({ length: count }, (_, index) => `${section}.${Number(first) + index}`);
  }),
);

describe('docs/asvs.md', () => {
  it('has each requirement once, and says how many apply', () => {
    const numbers = [...rows.map(([, number = '']) => number), ...leftOut];
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(text).toContain(`has ${numbers.length} requirements`);
    expect(text).toContain(`${rows.length} of them apply`);
  });

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
