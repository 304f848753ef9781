import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readDeployed, root, textOf, unknownNames } from '../../support/deployment.ts';

const unit = textOf('deploy/systemd/allocation.service');
const valuesOf = (key: string) =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);
const assignments = (lines: readonly string[]): Record<string, string> =>
  Object.fromEntries(lines.map((line) => line.split(/=(.*)/).slice(0, 2)));

/** The most that `systemd-analyze security` may count, of 100. */
const MAX_EXPOSURE = '15';

const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!hasSystemd)
  process.stderr.write('Tests of systemd-analyze are skipped: it is in the package systemd\n');

describe('deploy/systemd/allocation.service', () => {
  let directory: string;
  let copy: string;

  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'allocation-unit-'));
    copy = join(directory, 'allocation.service');
    writeFileSync(copy, unit.replaceAll('/opt/allocation', root));
  });

  afterAll(() => rmSync(directory, { recursive: true }));

  it('gives the service settings with which it starts', () => {
    const settings = textOf('deploy/systemd/allocation.env').match(/^\w+=.*$/gm) ?? [];
    const variables = assignments([...valuesOf('Environment'), ...settings]);
    expect(unknownNames(variables)).toEqual([]);
    const config = readDeployed(variables, { DATABASE_URL: 'sqlite:///./stock.db' });
    expect(config.kafkaBrokers).toHaveLength(1);
  });

  it('loads each secret that a setting names', () => {
    const credentials = valuesOf('LoadCredential').map((value) => value.split(':')[0]);
    const named = valuesOf('Environment').filter((value) => value.includes('%d/'));
    expect(named.map((value) => basename(value))).toEqual(credentials);
    expect(credentials).not.toEqual([]);
  });

  it('works in the one folder that it may write to', () => {
    expect(valuesOf('WorkingDirectory')).toEqual([`%S/${valuesOf('StateDirectory')[0]}`]);
    expect(valuesOf('ProtectSystem')).toEqual(['strict']);
  });

  it.skipIf(!hasSystemd)('is valid', () => {
    const { status, stderr } = spawnSync('systemd-analyze', ['verify', copy], { encoding: 'utf8' });
    expect(stderr.split('\n').filter((line) => line.includes('allocation'))).toEqual([]);
    expect(status, stderr).toBe(0);
  });

  it.skipIf(!hasSystemd)(`has an exposure of at most ${MAX_EXPOSURE} of 100`, () => {
    const options = ['security', '--offline=yes', '--no-pager', `--threshold=${MAX_EXPOSURE}`];
    const { status, stdout } = spawnSync('systemd-analyze', [...options, copy], {
      encoding: 'utf8',
    });
    expect(status, stdout).toBe(0);
  });
});
