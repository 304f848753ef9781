import { describe, expect, it } from 'vitest';
import { findCycle } from '../../support/architecture/find-cycle.ts';
import { importsOfSources } from '../../support/architecture/source-files.ts';

describe('the imports of src', () => {
  it('have no cycle, type-only imports included', async () => {
    const imports = await importsOfSources();
    expect(imports.get('lane-parts.ts')).toContain('service-layer/message-bus.ts');
    expect(findCycle(imports)?.join(' -> ') ?? 'no cycle').toBe('no cycle');
  });

  it('name the files of a cycle if there is one', () => {
    const imports = new Map([
      ['a.ts', ['b.ts', 'c.ts']],
      ['b.ts', []],
      ['c.ts', ['d.ts']],
      ['d.ts', ['b.ts', 'c.ts']],
    ]);
    expect(findCycle(imports)).toEqual(['c.ts', 'd.ts', 'c.ts']);
  });
});
