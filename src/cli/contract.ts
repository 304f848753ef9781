import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import type { ContractChange } from '../contract/contract-changes.ts';
import { packageVersion } from '../package-version.ts';
import { UsageError } from './errors.ts';
import { jsonOption, print, printJson, printTable } from './output.ts';

/** How long a server may take to send the document. */
const TIMEOUT_MS = 10_000;

/** Adds `allocation contract`. `contract/generate.ts` writes the files (`npm run contract`). */
export function addContract(program: Command): void {
  program
    .command('contract')
    .description('compare what senders and consumers rely on')
    .command('diff')
    .description('compare the contract of another release with this release')
    .argument(
      '<file|url>',
      'asyncapi.yaml or openapi.json of the other release, or a folder with both',
    )
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Examples:
  $ npx allocation contract diff contract/released
  $ npx allocation contract diff https://example.com/allocation/1.0.0/asyncapi.yaml --json

It says what this release adds, what it breaks for senders of commands, consumers of events or
callers of the HTTP API, and which version is due. The exit code is 1 if something breaks.`,
    )
    .action(diff);
}

async function diff(place: string, { json }: { readonly json: boolean }): Promise<void> {
  const { dueLevel, raised } = await import('../contract/due-version.ts');
  const compared: Compared[] = [];
  for (const document of await documentsAt(place)) compared.push(await compare(document));
  const from = compared[0]?.from ?? '';
  const changes = compared.flatMap((each) => each.changes);
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

/** What differs between one document of a release and this release. */
interface Compared {
  /** The version of the other release. */
  readonly from: string;
  readonly changes: readonly ContractChange[];
}

/** Returns the places of the documents: those in a folder, or the one. */
async function documentsAt(place: string): Promise<readonly string[]> {
  const isFolder = await stat(place).then(
    (found) => found.isDirectory(),
    () => false,
  );
  return isFolder ? ['asyncapi.yaml', 'openapi.json'].map((name) => join(place, name)) : [place];
}

/** @throws {UsageError} the place has no document of the contract */
async function compare(place: string): Promise<Compared> {
  const { DocumentError, parseDocument } = await import('../contract/read-document.ts');
  const text = /^https?:\/\//.test(place) ? await download(place) : await readText(place);
  try {
    const document = parseDocument(text);
    const isApi = Object(document).openapi !== undefined;
    return await (isApi ? compareApi(document) : compareMessages(document));
  } catch (error) {
    if (error instanceof DocumentError)
      throw new UsageError(`${place} cannot be compared: ${error.message}`, { cause: error });
    throw error;
  }
}

async function compareMessages(document: unknown): Promise<Compared> {
  const { readAsyncApi } = await import('../contract/read-document.ts');
  const { asyncApiDocument } = await import('../contract/asyncapi.ts');
  const { compareContracts } = await import('../contract/contract-changes.ts');
  const former = readAsyncApi(document);
  const changes = compareContracts(former, asyncApiDocument(packageVersion()));
  return { from: former.info.version, changes };
}

async function compareApi(document: unknown): Promise<Compared> {
  const { compareApis, readApi } = await import('../contract/api-changes.ts');
  const { openApi } = await import('../contract/openapi.ts');
  const former = readApi(document);
  return { from: former.info.version, changes: compareApis(former, readApi(await openApi())) };
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
