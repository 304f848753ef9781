// @module-tag db

import { chmod, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { DoctorRun, isFinding } from '../support/doctor-run.ts';
import { joinPatterns } from '../support/join-patterns.ts';

vi.setConfig({ testTimeout: 60_000 });

let doctor: DoctorRun;

beforeEach(async () => {
  doctor = await DoctorRun.create();
});

afterEach(() => doctor[Symbol.asyncDispose]());

describe('the doctor of a service with the embedded log', () => {
  it('finds nothing wrong with a migrated database', async () => {
    await doctor.migrate();
    const { code, reports } = await doctor.examine();
    expect([code, reports.filter(isFinding)]).toEqual([0, []]);
    expect(reports.map(({ check, state }) => `${check} ${state}`)).toEqual([
      'configuration ok',
      'configuration ok',
      'connection ok',
      'schema ok',
      'permissions ok',
    ]);
  });

  it('says what is wrong in one line, and below it the risk and the remedy', async () => {
    const { code, stdout } = await doctor.run(['doctor']);
    expect(code).toBe(1);
    expect(stdout).toMatch(
      joinPatterns(
        /^finding {3}connection {5}the SQLite database .*: There is no database .*\n/m,
        / {10}risk .*\n {10}remedy .*npx allocation start/m,
      ),
    );
    expect(stdout).toMatch(/\n\nFindings: 1\n$/);
    await doctor.migrate();
    expect((await doctor.run(['doctor'])).stdout).toMatch(/\n\nNo findings\n$/);
  });

  it('creates nothing', async () => {
    await doctor.examine();
    expect(await readdir(doctor.directory)).toEqual([]);
  });

  it('names pending migrations, and applies none', async () => {
    await writeFile(join(doctor.directory, 'stock.db'), '');
    const { code, findings } = await doctor.examine();
    expect([code, findings]).toEqual([
      1,
      [
        expect.objectContaining({
          check: 'schema',
          problem: expect.stringMatching(/^pending migrations: /),
          remedy: expect.stringContaining('npx allocation migrate'),
        }),
      ],
    ]);
    expect((await doctor.examine()).findings).toHaveLength(1);
  });

  it.skipIf(process.getuid?.() === 0)('says that the file must not be written', async () => {
    await doctor.migrate();
    await chmod(join(doctor.directory, 'stock.db'), 0o400);
    expect((await doctor.examine()).findings).toMatchObject([{ check: 'permissions' }]);
  });

  it.each([
    [{ KAFKA_BROKERS: 'localhost' }, 'KAFKA_BROKERS=localhost is not valid'],
    [{ HTTP_HOST: '0.0.0.0' }, 'lets other machines in without authentication'],
    [{ HTTP_TOKENS_FILE: '/nowhere' }, 'HTTP_TOKENS_FILE=/nowhere cannot be used'],
    [{ HTTP_TLS_CERT_FILE: '/c', HTTP_TLS_KEY_FILE: '/k' }, 'HTTP_TLS_CERT_FILE=/c'],
    [{ KAFKA_BROKER: 'kafka:9092' }, 'KAFKA_BROKER is not a setting of the service'],
    [{ DATABASE_URL: 'postgresql://user:12/word@db' }, 'The PostgreSQL url cannot be read'],
  ])('finds a wrong setting: %o', async (others, problem) => {
    await doctor.migrate();
    const { code, findings } = await doctor.examine(others as Record<string, string>);
    expect([code, findings]).toEqual([
      1,
      [
        expect.objectContaining({
          check: 'configuration',
          problem: expect.stringContaining(problem),
          risk: expect.stringMatching(/./),
          remedy: expect.stringMatching(/./),
        }),
      ],
    ]);
  });

  it('finds a database that ends with its process, and checks no other one', async () => {
    const { code, reports, findings } = await doctor.examine({
      DATABASE_URL: 'sqlite:///:memory:',
    });
    expect([code, findings]).toEqual([
      1,
      [
        {
          check: 'configuration',
          subject: 'the SQLite database :memory:',
          state: 'finding',
          problem: expect.stringContaining('memory of the process'),
          risk: expect.stringContaining('all stock is lost'),
          remedy: expect.stringContaining('sqlite:///./'),
        },
      ],
    ]);
    expect(reports.map(({ check }) => check)).toEqual(Array(3).fill('configuration'));
  });
});
