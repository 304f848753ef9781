import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

const forbidden = [
  ['src/domain', 'node:fs'],
  ['src/domain', '../messages/incoming.ts'],
  ['src/messages', '../service-layer/handlers.ts'],
  ['src/messages', 'kafkajs'],
  ['src/service-layer', '../adapters/database/database.ts'],
  ['src/service-layer', '../messages/incoming.ts'],
  ['src/service-layer', 'pino'],
  ['src/adapters/database', '../broker/kafka.ts'],
  ['src/adapters/database', '../../service-layer/handlers.ts'],
  ['src/adapters/broker', '@mikro-orm/core'],
  ['src/adapters/broker', '../../entrypoints/lane.ts'],
  ['src/entrypoints', '../adapters/database/database.ts'],
  ['src/entrypoints', '../bootstrap.ts'],
] as const;

const allowed = [
  ['src/domain', './model.ts'],
  ['src/messages', '../domain/events.ts'],
  ['src/service-layer', '../domain/model.ts'],
  ['src/adapters/database', '../../domain/model.ts'],
  ['src/adapters/broker', '../../service-layer/unit-of-work.ts'],
  ['src/entrypoints', '../service-layer/message-bus.ts'],
] as const;

const fileOf = (folder: string, specifier: string) => `${folder}/imports-${specifier.replaceAll(/\W/g, '-')}.ts`;

/** The project's own lint rules on a tree of files with one import each. */
describe('the layers', () => {
  let directory: string;
  let complaints: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-layers-'));
    const { vcs: _, ...rules } = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'));
    await writeFile(join(directory, 'biome.json'), JSON.stringify(rules));
    for (const [folder, specifier] of [...forbidden, ...allowed]) {
      const file = join(directory, fileOf(folder, specifier));
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, `import { something } from '${specifier}';\n\nexport const used = something;\n`);
    }
    const { stdout } = spawnSync(join(root, 'node_modules/.bin/biome'), ['lint', '--reporter=github', '--max-diagnostics=none', '.'], {
      cwd: directory,
      encoding: 'utf8',
    });
    complaints = stdout
      .split('\n')
      .filter((line) => line.includes('noRestrictedImports'))
      .join('\n');
  });

  afterAll(async () => rm(directory, { recursive: true }));

  it.each(forbidden)('%s must not import %s', (folder, specifier) => {
    expect(complaints).toContain(fileOf(folder, specifier));
  });

  it.each(allowed)('%s may import %s', (folder, specifier) => {
    expect(complaints).not.toContain(fileOf(folder, specifier));
  });
});
