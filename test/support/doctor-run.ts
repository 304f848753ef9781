import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCliHere } from './cli.ts';

type Report = Readonly<Record<string, string>>;

/** Runs the doctor, and other commands, in a directory with a database of its own. */
export class DoctorRun implements AsyncDisposable {
  readonly directory: string;
  readonly environment: Record<string, string>;

  private constructor(directory: string) {
    this.directory = directory;
    this.environment = { DATABASE_URL: `sqlite:///${join(directory, 'stock.db')}` };
  }

  static async create(): Promise<DoctorRun> {
    return new DoctorRun(await mkdtemp(join(tmpdir(), 'allocation-doctor-')));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }

  run(args: readonly string[], others: Record<string, string> = {}) {
    return runCliHere({ ...this.environment, ...others }, this.directory, args);
  }

  migrate() {
    return this.run(['migrate']);
  }

  /** Runs `doctor --json`. @returns the exit code and the reports */
  async examine(others: Record<string, string> = {}) {
    const { code, stdout, stderr } = await this.run(['doctor', '--json'], others);
    const lines = stdout.split('\n').filter(Boolean);
    const reports = lines.map((line) => JSON.parse(line) as Report);
    return { code, stdout, stderr, reports, findings: reports.filter(isFinding) };
  }
}

/** Tells whether the doctor advises to fix what it reports. */
export function isFinding({ state }: Report): boolean {
  return state === 'finding';
}
