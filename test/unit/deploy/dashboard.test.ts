import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { textOf } from '../../support/deployment.ts';
import { unknownSeries } from '../../support/exported-metrics.ts';
import { hasProgram, promtool } from '../../support/prometheus.ts';

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string;
      readonly thresholds: { readonly steps: readonly { readonly value: number | null }[] };
    };
  };
  readonly targets: readonly { readonly refId: string; readonly expr: string }[];
}

const dashboard = JSON.parse(textOf('deploy/grafana/allocation.json'));
const all: readonly Panel[] = dashboard.panels;
const rows = all.filter(({ type }) => type === 'row');
const panels = all.filter(({ type }) => type !== 'row');
const expressions = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));

/** Puts in what Grafana puts in for its variables. */
const filledIn = (expr: string) =>
  expr.replaceAll('$__rate_interval', '1m').replaceAll('$instance', '.*');

const hasPromtool = hasProgram('promtool');

describe('The dashboard for Grafana', () => {
  let directory: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'allocation-dashboard-'));
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  it('has the rows that an operator looks for', () => {
    expect(rows.map(({ title }) => title)).toEqual([
      'Is it well',
      'Throughput and lag',
      'Outbox and relay',
      'Database',
      'Dead letters and parked commands',
      'Broker',
      'HTTP',
      'Process',
    ]);
  });

  it('gives each panel an id and a title of its own', () => {
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const titles = panels.map(({ title }) => title);
    expect(titles.filter((title, n) => titles.indexOf(title) !== n)).toEqual([]);
  });

  it('lets no two panels overlap, and none leave the grid', () => {
    const cells = all.flatMap(({ gridPos: { x, y, w, h } }) => {
      expect(x + w).toBeLessThanOrEqual(24);
      return Array.from({ length: w * h }, (_, n) => `${x + (n % w)}/${y + Math.floor(n / w)}`);
    });
    expect(new Set(cells).size).toBe(cells.length);
  });

  it.each(panels)('describes $title, with a unit and thresholds', (panel) => {
    const { unit, thresholds } = panel.fieldConfig.defaults;
    expect(panel.description).toMatch(/^[A-Z].*\.$/);
    expect(unit).not.toBe('');
    expect(thresholds.steps[0]?.value).toBeNull();
    expect(new Set(panel.targets.map(({ refId }) => refId)).size).toBe(panel.targets.length);
  });

  it('asks the data source and the instances that the reader has chosen', () => {
    const variables = dashboard.templating.list.map(({ name }: { name: string }) => name);
    expect(variables).toEqual(['datasource', 'instance']);
    for (const { title, datasource } of panels)
      expect(datasource?.uid, title).toBe('${' + 'datasource}');
    const unfiltered = expressions.filter((expr) => !expr.includes('instance=~"$instance"'));
    expect(unfiltered.map((expr) => /\w+\{/.exec(expr)?.[0])).toEqual(['ALERTS{']);
  });

  it('names only what the service exports', () => {
    const [, instances] = dashboard.templating.list;
    expect([instances.definition, ...expressions].flatMap(unknownSeries)).toEqual([]);
  });

  it.skipIf(!hasPromtool)('has only expressions that Prometheus can read', () => {
    const file = join(directory, 'expressions.yml');
    const rules = expressions.map((expr, n) => ({ record: `panel:${n}`, expr: filledIn(expr) }));
    writeFileSync(file, stringify({ groups: [{ name: 'dashboard', rules }] }));
    expect(promtool('check', 'rules', file)).toContain(`${rules.length} rules found`);
  });
});
