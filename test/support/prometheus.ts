import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { eventually } from './eventually.ts';
import { freePort } from './free-port.ts';

const START_TIMEOUT_MS = 60_000;

/**
 * Tells whether a program of Debian's package `prometheus` is here. Without it, prints which tests
 * are skipped. In CI a missing program is an error.
 */
export function hasProgram(name: 'prometheus' | 'promtool'): boolean {
  if (spawnSync(name, ['--version']).status === 0) return true;
  const why = `the program ${name} is missing (Debian: apt-get install prometheus)`;
  if (process.env.CI) throw new Error(why);
  process.stderr.write(`Tests of ${name} are skipped: ${why}\n`);
  return false;
}

/** Runs `promtool`. @returns what it printed. @throws {Error} promtool found a fault */
export function promtool(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`promtool ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout;
}

/** An alert as Prometheus's API shows it. */
export interface Alert {
  readonly state: 'pending' | 'firing';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A real Prometheus that scrapes every second. */
export class Prometheus {
  readonly #url: string;
  readonly #child: ChildProcess;
  readonly #directory: string;

  private constructor(url: string, child: ChildProcess, directory: string) {
    this.#url = url;
    this.#child = child;
    this.#directory = directory;
  }

  /**
   * Starts Prometheus. It scrapes the targets as the job `allocation`.
   * @param rules the text of the rules
   * @param targets `host:port`
   */
  static async start(rules: string, targets: readonly string[]): Promise<Prometheus> {
    const directory = await mkdtemp(join(tmpdir(), 'allocation-prometheus-'));
    await writeFile(join(directory, 'rules.yml'), rules);
    const config = {
      global: { scrape_interval: '1s', evaluation_interval: '1s' },
      rule_files: ['rules.yml'],
      scrape_configs: [{ job_name: 'allocation', static_configs: [{ targets }] }],
    };
    await writeFile(join(directory, 'prometheus.yml'), stringify(config));
    const address = `127.0.0.1:${await freePort()}`;
    const child = spawn(
      'prometheus',
      [
        `--config.file=${join(directory, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(directory, 'data')}`,
        `--web.listen-address=${address}`,
      ],
      { stdio: 'ignore' },
    );
    const prometheus = new Prometheus(`http://${address}`, child, directory);
    try {
      await eventually(() => prometheus.#get('/-/ready'), { withinMs: START_TIMEOUT_MS });
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw error;
    }
    return prometheus;
  }

  /** Returns the alerts that fire now. */
  async firing(): Promise<readonly Alert[]> {
    const answer = await this.#get('/api/v1/alerts');
    const { data } = (await answer.json()) as { readonly data: { readonly alerts: Alert[] } };
    return data.alerts.filter(({ state }) => state === 'firing');
  }

  async #get(path: string): Promise<Response> {
    const response = await fetch(this.#url + path);
    if (!response.ok) throw new Error(`Prometheus answers ${response.status} to ${path}`);
    return response;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'close');
    if (this.#child.exitCode === null && this.#child.kill('SIGKILL')) await ended;
    await rm(this.#directory, { recursive: true, force: true });
  }
}
