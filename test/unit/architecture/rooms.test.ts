import { dirname } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { allModules, modules } from '../../support/architecture/modules.ts';
import { importOf, refusedImports } from '../../support/architecture/refused-imports.ts';
import { rooms } from '../../support/architecture/rooms.ts';
import { sourceFiles } from '../../support/architecture/source-files.ts';

/** Ways to import without saying `import { … } from`. */
const spellings = {
  'a-detour':
    "import { something } from './../domain/../messages/read-command.ts';\n\n" +
    'export const used = something;\n',
  'type-only':
    "import type { Something } from '../messages/read-command.ts';\n\n" +
    'export type Used = Something;\n',
  'for-its-effect': "import '../messages/read-command.ts';\n",
  're-exported': "export { something } from '../messages/read-command.ts';\n",
  'all-re-exported': "export * from '../messages/read-command.ts';\n",
  dynamic: "export const used = await import('../messages/read-command.ts');\n",
};

const fileOf = (spelling: string) => `src/domain/${spelling}.ts`;

describe('the rooms', () => {
  let refused: ReadonlySet<string>;

  beforeAll(async () => {
    const more = Object.entries(spellings).map(([spelling, text]) => [fileOf(spelling), text]);
    refused = await refusedImports(Object.keys(rooms), Object.fromEntries(more));
  });

  it.each(Object.entries(rooms))(
    '%s may import what it needs, and nothing else',
    (room, allowed) => {
      const accepted = allModules.filter((module) => !refused.has(importOf(room, module)));
      expect(accepted.toSorted()).toEqual(allowed.toSorted());
    },
  );

  it('include every folder of src', async () => {
    const folders = new Set((await sourceFiles()).map((file) => dirname(file)));
    expect([...folders].filter((folder) => folder !== '.').toSorted()).toEqual(
      Object.keys(rooms).toSorted(),
    );
  });

  it('are tested with imports of modules that exist', async () => {
    const files = new Set(await sourceFiles());
    const inside = allModules.filter(
      (each) => each.endsWith('.ts') && !modules.outside.includes(each),
    );
    expect(inside.filter((module) => !files.has(module))).toEqual([]);
  });

  it.each(Object.keys(spellings))('a forbidden import is refused even if it is %s', (spelling) => {
    expect(refused).toContain(`${fileOf(spelling)}:1`);
  });
});
