import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { allModules } from './modules.ts';
import { root } from './source-files.ts';

const REFUSALS = /^::error title=lint\/style\/noRestrictedImports,file=([^,]+),line=(\d+),/gm;

/**
 * Runs the project's own lint rules on a file of each room that imports every module, one a line.
 * @param more the text of more files, by their path
 * @returns the refused imports, as `<file>:<line>`
 */
export async function refusedImports(
  rooms: readonly string[],
  more: Readonly<Record<string, string>>,
): Promise<ReadonlySet<string>> {
  const directory = await mkdtemp(join(tmpdir(), 'allocation-rooms-'));
  const { vcs: _, ...rules } = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'));
  await writeFile(join(directory, 'biome.json'), JSON.stringify(rules));
  for (const room of rooms) {
    await mkdir(join(directory, 'src', room), { recursive: true });
    const lines = allModules.map(
      (module, index) => `export { name${index} } from '${specifierOf(room, module)}';\n`,
    );
    await writeFile(join(directory, 'src', room, 'imports.ts'), lines.join(''));
  }
  for (const [file, text] of Object.entries(more)) await writeFile(join(directory, file), text);
  const { stdout } = spawnSync(
    join(root, 'node_modules/.bin/biome'),
    ['lint', '--reporter=github', '--max-diagnostics=none', '.'],
    { cwd: directory, encoding: 'utf8' },
  );
  await rm(directory, { recursive: true });
  return new Set([...stdout.matchAll(REFUSALS)].map(([, file, line]) => `${file}:${line}`));
}

/** Returns the place of the import of the module in the room's file, as `<file>:<line>`. */
export function importOf(room: string, module: string): string {
  return `src/${room}/imports.ts:${allModules.indexOf(module) + 1}`;
}

function specifierOf(room: string, module: string): string {
  if (!module.endsWith('.ts')) return module;
  const path = relative(room, module);
  return path.startsWith('.') ? path : `./${path}`;
}
