import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { root, yamlOf } from '../../support/deployment.ts';
import { unknownSeries } from '../../support/exported-metrics.ts';
import { hasProgram, promtool } from '../../support/prometheus.ts';

const RULES = 'deploy/prometheus/allocation.rules.yml';
const CASES = globSync('test/unit/deploy/alerts/*.yml', { cwd: root }).sort();

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: Readonly<Record<string, string>>;
}

interface Case {
  readonly alertname: string;
  readonly exp_alerts: readonly { readonly exp_labels: { readonly severity: string } }[];
}

const rules: readonly Rule[] = yamlOf(RULES).groups.flatMap(
  ({ rules }: { rules: readonly Rule[] }) => rules,
);
const names = [...new Set(rules.map(({ alert }) => alert))].sort();
const cases: readonly Case[] = CASES.flatMap((file) => yamlOf(file).tests).flatMap(
  ({ alert_rule_test: tests }: { alert_rule_test: readonly Case[] }) => tests,
);

const hasPromtool = hasProgram('promtool');

describe('The alert rules', () => {
  it.skipIf(!hasPromtool)('are valid', () => {
    const options = ['--lint=all', '--lint-fatal'];
    expect(promtool('check', 'rules', ...options, join(root, RULES))).toContain('SUCCESS');
  });

  it.skipIf(!hasPromtool).each(CASES)('fire when they must, and only then: %s', (file) => {
    expect(promtool('test', 'rules', join(root, file))).toContain('SUCCESS');
  });

  it('each have a case that fires, and a case that does not', () => {
    const keyOf = (alert: string, severity: string) => `${alert} ${severity}`;
    const firing = cases.flatMap(({ alertname, exp_alerts: alerts }) =>
      alerts.map(({ exp_labels: { severity } }) => keyOf(alertname, severity)),
    );
    const quiet = cases.filter((each) => each.exp_alerts.length === 0);
    expect([...new Set(firing)].sort()).toEqual(
      rules.map(({ alert, labels }) => keyOf(alert, labels.severity)).sort(),
    );
    expect([...new Set(quiet.map(({ alertname }) => alertname))].sort()).toEqual(names);
  });

  it.each(rules)('name only what the service exports: $alert, $labels.severity', ({ expr }) => {
    expect(unknownSeries(expr)).toEqual([]);
  });

  it.each(rules)('say what is wrong, and where to read on: $alert, $labels.severity', (rule) => {
    const { alert, for: lasting, labels, annotations } = rule;
    expect(lasting).toMatch(/^\d+[mh]$/);
    expect(['critical', 'warning']).toContain(labels.severity);
    expect(Object.keys(annotations)).toEqual(['summary', 'description', 'runbook_url']);
    expect(annotations.description).toMatch(/\.$/);
    expect(annotations.runbook_url).toBe(`docs/runbook.md#${alert.toLowerCase()}`);
  });
});

describe('The examples for Prometheus', () => {
  it.skipIf(!hasPromtool)('are a valid configuration with the alert rules', () => {
    const printed = promtool('check', 'config', join(root, 'deploy/prometheus/prometheus.yml'));
    expect(printed).toContain(`SUCCESS: ${rules.length} rules found`);
  });

  it.each(['prometheus.yml', 'scrape-kubernetes.yml'])(
    'scrape the job of the alerts: %s',
    (file) => {
      const [job] = yamlOf(`deploy/prometheus/${file}`).scrape_configs;
      const jobs = rules.flatMap(({ expr }) => [...expr.matchAll(/\bjob="([^"]*)"/g)]);
      expect([...new Set(jobs.map(([, name]) => name))]).toEqual([job.job_name]);
    },
  );

  it('find the pods of the deployment for Kubernetes', () => {
    const { metadata, spec } = yamlOf('deploy/kubernetes/base/deployment.yaml').spec.template;
    const [job] = yamlOf('deploy/prometheus/scrape-kubernetes.yml').scrape_configs;
    const [keep] = job.relabel_configs;
    const label = metadata.labels['app.kubernetes.io/name'];
    const ports = spec.containers[0].ports.map(({ name }: { name: string }) => name);
    expect(ports.map((port: string) => `${label};${port}`)).toContain(keep.regex);
    expect(job.kubernetes_sd_configs[0].namespaces.names).toEqual([
      yamlOf('deploy/kubernetes/example/namespace.yaml').metadata.name,
    ]);
  });
});
