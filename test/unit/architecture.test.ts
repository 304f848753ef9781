import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

function lint(file: string, specifier: string) {
  const source = `import { something } from '${specifier}';\n\nexport const used = something;\n`;
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules/.bin/biome'), ['lint', `--stdin-file-path=${file}`], {
    cwd: root,
    input: source,
    encoding: 'utf8',
  });
  return { status, output: `${stdout}${stderr}` };
}

describe('the layers', () => {
  it.each([
    ['src/domain/x.ts', 'node:fs'],
    ['src/domain/x.ts', '../messages/incoming.ts'],
    ['src/messages/x.ts', '../service-layer/handlers.ts'],
    ['src/messages/x.ts', 'kafkajs'],
    ['src/service-layer/x.ts', '../adapters/database/database.ts'],
    ['src/service-layer/x.ts', '../messages/incoming.ts'],
    ['src/service-layer/x.ts', 'pino'],
    ['src/adapters/database/x.ts', '../broker/kafka.ts'],
    ['src/adapters/database/x.ts', '../../service-layer/handlers.ts'],
    ['src/adapters/broker/x.ts', '@mikro-orm/core'],
    ['src/adapters/broker/x.ts', '../../entrypoints/lane.ts'],
    ['src/entrypoints/x.ts', '../adapters/database/database.ts'],
    ['src/entrypoints/x.ts', '../bootstrap.ts'],
  ])('%s must not import %s', (file, specifier) => {
    const { status, output } = lint(file, specifier);
    expect(output).toContain('noRestrictedImports');
    expect(status).not.toBe(0);
  });

  it.each([
    ['src/domain/x.ts', './model.ts'],
    ['src/messages/x.ts', '../domain/events.ts'],
    ['src/service-layer/x.ts', '../domain/model.ts'],
    ['src/adapters/database/x.ts', '../../domain/model.ts'],
    ['src/adapters/broker/x.ts', '../../service-layer/unit-of-work.ts'],
    ['src/entrypoints/x.ts', '../service-layer/message-bus.ts'],
  ])('%s may import %s', (file, specifier) => {
    expect(lint(file, specifier).output).not.toContain('noRestrictedImports');
  });
});
