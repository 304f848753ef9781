import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageVersion } from '../../../../src/package-version.ts';
import { eventually } from '../../../support/eventually.ts';
import { metricsOf, scrape } from '../../../support/metrics.ts';

it('the build is named by the versions of the service and of Node', async () => {
  expect(await scrape(metricsOf(), 'allocation_build_info')).toEqual([
    `allocation_build_info{version="${packageVersion()}",node="${process.versions.node}"} 1`,
  ]);
});

it('the process is ready when it knows of no problem', async () => {
  let problems: string[] = [];
  const metrics = metricsOf({ problems: () => problems, eventStreams: () => 2 });
  expect(await scrape(metrics, 'allocation_ready')).toEqual(['allocation_ready 1']);
  problems = ['The database does not answer'];
  expect(await scrape(metrics, 'allocation_ready')).toEqual(['allocation_ready 0']);
  expect(await scrape(metrics, 'allocation_event_streams')).toEqual(['allocation_event_streams 2']);
});

it('errors are counted by their names, from 0 on', async () => {
  const metrics = metricsOf({
    databaseErrors: new Map([
      ['deadlock_detected', 3],
      ['other', 0],
    ]),
  });
  expect(await scrape(metrics, 'allocation_database_errors_total')).toEqual([
    'allocation_database_errors_total{code="deadlock_detected"} 3',
    'allocation_database_errors_total{code="other"} 0',
  ]);
});

describe('A certificate', () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'certificates-'));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const newCertificate = (days: number) => {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
    const { stdout } = spawnSync(
      'openssl',
      ['req', '-x509', ...key, '-keyout', '/dev/null', '-subj', '/CN=test', '-days', `${days}`],
      { encoding: 'utf8' },
    );
    return stdout;
  };

  it('shows when it expires, the first one of its file, also after it was renewed', async () => {
    const path = join(directory, 'http.pem');
    await writeFile(path, `${newCertificate(30)}${newCertificate(10)}`);
    const missing = join(directory, 'missing.pem');
    const metrics = metricsOf({
      certificates: [
        { use: 'http', path },
        { use: 'kafka-ca', path: missing },
      ],
    });
    const name = 'allocation_certificate_expiry_timestamp_seconds';
    const daysLeft = async () =>
      (await scrape(metrics, name)).map((line) => {
        const [, label, value] = /certificate="(.+)"} (.+)$/.exec(line) ?? [];
        return [label, Math.round((Number(value) - Date.now() / 1_000) / 86_400)];
      });
    await eventually(async () => expect(await daysLeft()).toEqual([['http', 10]]));
    await writeFile(path, newCertificate(90));
    await eventually(async () => expect(await daysLeft()).toEqual([['http', 90]]));
  });
});
