import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readConfig, SETTINGS } from '../../../src/config.ts';
import { ConfigError } from '../../../src/config-error.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/contract.md'), 'utf8');
const section = page.split('\n## Configuration\n')[1]?.split('\n## ')[0] ?? '';
/** The rows of the tables, one for each variable that has a column with its default. */
const rows = [...section.matchAll(/^\| `([A-Z_]+)` +\| (.*?) +\| (.*?) +\|$/gm)].map(
  ([, name = '', standard = '', allowed = '']) => ({ name, standard, allowed }),
);
const defaults = rows.flatMap(({ name, standard }) => {
  const value = /^`(.+)`$/.exec(standard)?.[1];
  return value === undefined ? [] : [{ name, value }];
});
const ranges = rows.flatMap(({ name, allowed }) => {
  const [, from, to] = /\b(\d[\d,]*) to (\d[\d,]*)\b(?! (?:characters|of))/.exec(allowed) ?? [];
  const limits = [from, to].map((each = '') => Number(each.replaceAll(',', '')));
  // The share of traces is a number with decimals.
  return to === undefined || name === 'OTEL_TRACES_SAMPLER_ARG' ? [] : [{ name, limits }];
});

describe('The tables of settings in the contract', () => {
  it.each(SETTINGS)('name %s', (name) => {
    expect(section).toContain(`\`${name}\``);
  });

  it('have defaults and ranges', () => {
    expect(defaults.length).toBeGreaterThan(15);
    expect(ranges.length).toBeGreaterThan(5);
  });

  it.each(defaults)('have the default $value of $name', ({ name, value }) => {
    expect(readConfig({ [name]: value })).toEqual(readConfig({}));
  });

  it.each(ranges)('have the range of $name: $limits', ({ name, limits: [least = 0, most = 0] }) => {
    for (const inside of [least, most]) readConfig({ [name]: String(inside) });
    for (const outside of [least - 1, most + 1])
      expect(() => readConfig({ [name]: String(outside) })).toThrow(ConfigError);
  });
});
