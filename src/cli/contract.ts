import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import type { ContractChange } from '../contract/contract-changes.ts';
import { packageVersion } from '../package-version.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson, printTable } from './output.ts';

/** How long a server may take to send the document. */
const TIMEOUT_MS = 10_000;

/** Adds `allocation contract`. */
export function addContract(program: Command): void {
  program
    .command('contract')
    .description('compare what senders and consumers rely on')
    .command('diff')
    .description('compare the contract of another release with this release')
    .argument('<file|url>', 'the contract/asyncapi.yaml of the other release')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation contract diff contract/released/asyncapi.yaml
  $ npx allocation contract diff https://example.com/allocation/1.0.0/asyncapi.yaml --json

It says what this release adds, what it breaks for senders of commands or consumers of events, and
which version is due. The exit code is 1 if something breaks.`,
    )
    .action(diff);
}

async function diff(place: string, { json }: { readonly json: boolean }): Promise<void> {
  const { asyncApiDocument } = await import('../contract/asyncapi.ts');
  const { compareContracts } = await import('../contract/contract-changes.ts');
  const { dueLevel, raised } = await import('../contract/due-version.ts');
  const former = await readFormer(place);
  const changes = compareContracts(former, asyncApiDocument(packageVersion()));
  const from = former.info.version;
  const due = dueLevel(changes);
  const version = raised(from, due);
  if (due === 'major') process.exitCode = 1;
  if (json) printJson({ from, due, version, changes });
  else printChanges(from, due === 'none' ? null : `${version} (${due})`, changes);
}

/** @param due the version that is due, in words; null: the contracts are the same */
function printChanges(from: string, due: string | null, changes: readonly ContractChange[]): void {
  if (due === null) {
    print(`The contract is the same as in ${from}`);
    return;
  }
  const rows = changes.map(({ effect, where, text, isAnnounced }) => {
    const isNew = effect === 'breaks' && isAnnounced;
    return [effect, where, isNew ? `${text} (in a new version)` : text];
  });
  printTable(['EFFECT', 'WHERE', 'CHANGE'], rows);
  print(`\nAfter ${from}, the version ${due} is due`);
}

/** @throws {UsageError} the place has no contract */
async function readFormer(place: string) {
  const { DocumentError, readDocument } = await import('../contract/read-document.ts');
  const text = /^https?:\/\//.test(place) ? await download(place) : await readText(place);
  try {
    return readDocument(text);
  } catch (error) {
    if (error instanceof DocumentError)
      throw new UsageError(`${place} cannot be compared: ${error.message}`, { cause: error });
    throw error;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

async function download(url: string): Promise<string> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(
    (error: Error) => {
      throw new UsageError(`${url} cannot be reached: ${error.message}`, { cause: error });
    },
  );
  if (!answer.ok) throw new UsageError(`${url} answers ${answer.status}: name another document`);
  return answer.text();
}
