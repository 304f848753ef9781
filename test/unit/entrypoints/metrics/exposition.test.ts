import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { StepTimes } from '../../../../src/entrypoints/metrics/transaction-metrics.ts';
import { metricsOf, seriesIn } from '../../../support/metrics.ts';

const OPEN = 'application/openmetrics-text; version=1.0.0; charset=utf-8';
const PLAIN = 'text/plain; version=0.0.4; charset=utf-8';
/** What Prometheus 3 sends. */
const PROMETHEUS =
  'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,' +
  'application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,' +
  'text/plain;version=0.0.4;q=0.3,*/*;q=0.2';
const TRACE = '0af7651916cd43dd8448eb211c80319c';

describe('The metrics', () => {
  it.each([
    [undefined, PLAIN],
    ['*/*', PLAIN],
    ['text/html, */*;q=0.1', PLAIN],
    ['text/plain', PLAIN],
    ['application/openmetrics-text', OPEN],
    ['application/openmetrics-text; version=1.0.0, text/plain;q=0.5', OPEN],
    ['application/openmetrics-text; version=0.0.1', PLAIN],
    ['application/openmetrics-text;q=0.1, text/plain;q=0.5', PLAIN],
    ['application/openmetrics-text;q=0', PLAIN],
    [PROMETHEUS, OPEN],
  ])('for Accept: %s are %s', async (accept, contentType) => {
    expect((await metricsOf().write(accept)).contentType).toBe(contentType);
  });

  it('keep the names of counters, whichever format was asked for before', async () => {
    const metrics = metricsOf();
    const { text: open } = await metrics.write(OPEN);
    const { text: plain } = await metrics.write(undefined);
    for (const text of [open, plain, (await metrics.write(OPEN)).text])
      expect(seriesIn(text, 'allocation_fencings')).toEqual(['allocation_fencings_total 0']);
    expect(plain).toContain('# TYPE allocation_fencings_total counter\n');
    expect(open).toContain('# TYPE allocation_fencings counter\n');
  });

  it('name a trace in OpenMetrics, and only there', async () => {
    const metrics = metricsOf();
    metrics.transactions.observe(new StepTimes(), TRACE);
    const { text } = await metrics.write(OPEN);
    const bucket = 'allocation_transaction_duration_seconds_bucket{le="0.001"}';
    expect(seriesIn(text, bucket)).toEqual([
      expect.stringMatching(/ 1 # \{trace_id="0af7651916cd43dd8448eb211c80319c"\} 0 \d+\.\d+$/),
    ]);
    expect((await metrics.write(undefined)).text).not.toContain(TRACE);
  });

  it('have names, help and types of the format, and each family once', async () => {
    for (const accept of [PLAIN, OPEN]) {
      const { text } = await metricsOf().write(accept);
      expect(problemsIn(text)).toEqual([]);
      expect(text.endsWith('\n# EOF\n')).toBe(accept === OPEN);
    }
  });

  it.skipIf(spawnSync('promtool', ['--version']).error)('please promtool', async () => {
    const { text: input } = await metricsOf().write(PLAIN);
    const own = input.split('\n').filter((line) => !/(process|nodejs)_/.test(line));
    const { status, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: own.join('\n'),
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
  });
});

/** Reads an exposition line by line. @returns what is wrong with it */
function problemsIn(text: string): readonly string[] {
  const problems: string[] = [];
  const families = new Set<string>();
  let family = '';
  for (const line of text.split('\n')) {
    if (line === '' || line === '# EOF') continue;
    const comment = /^# (HELP|TYPE) ([a-z_][a-z0-9_]*) (.+)$/.exec(line);
    if (comment?.[1] === 'HELP') {
      family = comment[2] ?? '';
      if (families.has(family)) problems.push(`${family} comes twice`);
      families.add(family);
    } else if (comment?.[1] === 'TYPE') {
      if (comment[2] !== family) problems.push(`No help: ${line}`);
      if (!/^(counter|gauge|histogram|summary)$/.test(comment[3] ?? '')) problems.push(line);
    } else if (!SAMPLE.test(line) || !line.startsWith(family)) problems.push(line);
  }
  return problems;
}

const LABEL = '[a-z_]+="(?:[^"\\\\\\n]|\\\\.)*"';
const VALUE = '-?(?:[0-9.e+-]+|Nan|\\+Inf)';
const SAMPLE = new RegExp(
  `^[a-z_][a-z0-9_]*(?:\\{${LABEL}(?:,${LABEL})*\\})? ${VALUE}(?: # \\{${LABEL}\\} ${VALUE} ${VALUE})?$`,
);
