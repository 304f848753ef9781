import type { Command } from 'commander';
import type { Config } from '../../config.ts';
import { jsonOption, print, printJson } from '../output.ts';
import { openLogger } from '../session.ts';
import type { Report } from './report.ts';

/** Adds `allocation doctor`. */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description(
      'check configuration, connections, permissions, clocks, topics and schema; changes nothing',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation doctor
  $ npx allocation doctor --json | jq 'select(.state == "finding")'
  $ KAFKA_BROKERS=localhost:9092 npx allocation doctor

Run it with the settings of the service, as the user of the service. Each finding says what it
risks, and what to do. The exit code is 1 if there is a finding. Kafka tells neither its clock nor
whether the service may write under its transactional ids.`,
    )
    .action(doctor);
}

async function doctor({ json }: { readonly json: boolean }): Promise<void> {
  let findings = 0;
  for await (const report of examine()) {
    if (report.state === 'finding') findings += 1;
    if (json) printJson(report);
    else printReport(report);
  }
  if (findings > 0) process.exitCode = 1;
  if (!json) print(findings === 0 ? '\nNo findings' : `\nFindings: ${findings}`);
}

async function* examine(): AsyncGenerator<Report> {
  const { examineConfiguration } = await import('./configuration.ts');
  const { config, reports } = await examineConfiguration();
  yield* reports;
  if (config === null) return;
  const { embeddedLogUrl } = await import('../../connections.ts');
  const { examineDatabase } = await import('./database.ts');
  if (config.kafkaBrokers) yield* examineCluster(config);
  else if (embeddedLogUrl(config) !== config.databaseUrl)
    yield* examineDatabase(config, embeddedLogUrl(config));
  yield* examineDatabase(config, config.databaseUrl);
}

async function* examineCluster(config: Config): AsyncGenerator<Report> {
  const { openExamination } = await import('../../connections.ts');
  const { examineKafka } = await import('./kafka.ts');
  const kafka = openExamination(config, await openLogger(config, 'silent'));
  if (!kafka) return;
  try {
    yield* examineKafka(kafka, config);
  } finally {
    kafka.close();
  }
}

/** Prints one line. Below a finding, prints its risk and its remedy. */
function printReport(report: Report): void {
  const line = `${report.state.padEnd(8)}  ${report.check.padEnd(13)}  ${report.subject}`;
  if (report.state === 'ok') print(line);
  else if (report.state === 'skipped') print(`${line}: ${oneLine(report.why)}`);
  else {
    print(`${line}: ${oneLine(report.problem)}`);
    print(`          risk           ${oneLine(report.risk)}`);
    print(`          remedy         ${oneLine(report.remedy)}`);
  }
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ');
}
