import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { parseCount } from '../../src/cli/command-arguments.ts';
import { FaultCampaign } from '../support/fault-campaign.ts';
import type { FaultName } from '../support/instance-faults.ts';
import { progress } from '../support/progress.ts';

const COMMANDS_PER_FAULT = 400;
/** Longer than the group's session of 6 s. */
const ZOMBIE_MS = 10_000;
/** Only the second instance dies. The first one lives on, so that its memory can be compared. */
const MORTAL = [1];
/** The largest ratio of the last quarter's median to the second quarter's. */
const MOST_GROWTH = 1.2;

interface Sample {
  readonly memoryMb: number;
  readonly files: number;
}

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Tries random faults one after the other until the time is up. Then the judge decides. */
async function main({ minutes }: { readonly minutes: number }): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-soak-'));
  const campaign = await FaultCampaign.start({
    directory,
    zombieMs: ZOMBIE_MS,
    mortal: MORTAL,
    isStrict: true,
  });
  try {
    const names = Object.keys(campaign.faults) as FaultName[];
    const endMs = performance.now() + minutes * 60_000;
    const samples: Sample[] = [];
    while (performance.now() < endMs) {
      const name = names[Math.floor(Math.random() * names.length)] as FaultName;
      const ms = await campaign.endure(name, COMMANDS_PER_FAULT);
      samples.push(await sampleOf(campaign.instances[0]?.pid ?? 0));
      progress(
        `${samples.length} faults, ${campaign.flow.sent} commands; ${name}: recovered in ${ms} ms`,
      );
    }
    progress('');
    say(`${samples.length} faults, ${campaign.flow.sent} commands. ${campaign.times.text()}`);
    const findings = [...(await campaign.verdict()), ...growth(samples)];
    for (const finding of findings) say(finding);
    say(findings.length === 0 ? 'Nothing lost, nothing twice' : `${findings.length} findings`);
    process.exitCode = findings.length === 0 ? 0 : 1;
  } finally {
    await campaign.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function sampleOf(pid: number): Promise<Sample> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
  return {
    memoryMb: Math.round(kilobytes / 1024),
    files: (await readdir(`/proc/${pid}/fd`)).length,
  };
}

/** Prints the medians of what the first instance needed, by quarter. @returns what has grown */
function growth(samples: readonly Sample[]): readonly string[] {
  if (samples.length < 4)
    return ['Too few faults to compare memory and file handles: run with more --minutes'];
  return (['memoryMb', 'files'] as const).flatMap((what) => {
    const values = samples.map((sample) => sample[what]);
    const quarters = [0, 1, 2, 3].map((quarter) =>
      median(values.slice((quarter * values.length) / 4, ((quarter + 1) * values.length) / 4)),
    );
    say(`${what}: medians of the quarters ${quarters.join(', ')}, at most ${Math.max(...values)}`);
    const [, before = 0, , after = 0] = quarters;
    return after > before * MOST_GROWTH ? [`${what} has grown from ${before} to ${after}`] : [];
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

await new Command('soak')
  .description(
    'Tries random faults on two instances with Kafka and PostgreSQL, then asks the judge',
  )
  .option('--minutes <n>', 'how many minutes the faults go on', parseCount, 30)
  .addHelpText('after', '\nExample:\n  $ npm run soak -- --minutes 480')
  .action(main)
  .parseAsync();
