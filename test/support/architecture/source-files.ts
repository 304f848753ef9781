import { glob, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';

/** The root of the repository. */
export const root = join(import.meta.dirname, '..', '..', '..');

/** Returns the files of src, relative to src. */
export async function sourceFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const file of glob('**/*.ts', { cwd: join(root, 'src') })) files.push(file);
  return files;
}

/** Returns which files of src each file imports: for types, for its effect, or later. */
export async function importsOfSources(): Promise<ReadonlyMap<string, readonly string[]>> {
  const importsOf = async (file: string) => {
    const text = await readFile(join(root, 'src', file), 'utf8');
    const specifiers = text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
    return [...specifiers].map(([, specifier = '']) => join(dirname(file), specifier));
  };
  const files = (await sourceFiles()).toSorted();
  return new Map(
    await Promise.all(files.map(async (file) => [file, await importsOf(file)] as const)),
  );
}

/** Asserts that the pattern has files. @returns what matches in them: `<file>: <match>` */
export async function expectMatches(pattern: string, wanted: RegExp): Promise<string[]> {
  const files: string[] = [];
  for await (const file of glob(pattern, { cwd: root })) files.push(file);
  expect(files).not.toEqual([]);
  const found = await Promise.all(
    files.map(async (file) =>
      [...(await readFile(join(root, file), 'utf8')).matchAll(wanted)].map(
        ([match]) => `${file}: ${match}`,
      ),
    ),
  );
  return found.flat().toSorted();
}
