import { spawnSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const folder = join(import.meta.dirname, '..');
const tsc = join(folder, '../../node_modules/.bin/tsc');
const { exports, dependencies, files } = JSON.parse(
  readFileSync(join(folder, 'package.json'), 'utf8'),
);

function run(program: string, ...options: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, options, { cwd: dist, encoding: 'utf8' });
  expect([status, stderr, stdout]).toEqual([0, '', expect.anything()]);
  return stdout;
}

let dist: string;

/** Builds the package as `npm pack` does, into a folder of its own. */
beforeAll(() => {
  dist = mkdtempSync(join(tmpdir(), 'allocation-client-'));
  run(tsc, '-p', folder, '--outDir', join(dist, 'dist'));
  writeFileSync(join(dist, 'package.json'), readFileSync(join(folder, 'package.json')));
}, 300_000);

afterAll(() => rmSync(dist, { recursive: true }));

describe('The package', () => {
  it('has no dependency, and publishes what it builds', () => {
    expect(dependencies).toBeUndefined();
    expect(files).toEqual(['dist']);
    for (const file of Object.values<string>(exports['.']))
      expect(globSync(file, { cwd: dist })).toHaveLength(1);
  });

  it('imports nothing but its own files', () => {
    const sources = globSync('src/**/*.ts', { cwd: folder });
    expect(sources.length).toBeGreaterThan(10);
    const imports = sources.flatMap((file) =>
      [...readFileSync(join(folder, file), 'utf8').matchAll(/from '([^']+)'/g)].map(
        ([, from = '']) => (from.startsWith('.') ? join('clients', file, '..', from) : from),
      ),
    );
    expect(imports.filter((from) => !from.startsWith('clients/src/'))).toEqual([]);
  });

  it('can be imported by its name, as JavaScript', () => {
    const script =
      "import * as client from '@cosmicpython/allocation-client';" +
      "const shop = new client.CommandSource('/shop');" +
      "const order = shop.allocateOrder({ orderid: 'o', sku: 's', qty: 1 });" +
      'console.log(client.toRecord(order).key)';
    writeFileSync(join(dist, 'main.js'), script);
    expect(run(process.execPath, 'main.js')).toBe('s\n');
  });

  it('has types that tell events apart, and refuse wrong commands', () => {
    const script = [
      "import { CommandSource, eventsOf } from '@cosmicpython/allocation-client';",
      "const shop = new CommandSource('/shop');",
      '// @ts-expect-error qty is missing',
      "shop.allocateOrder({ orderid: 'o', sku: 's' });",
      'for (const event of eventsOf({ value: null })) {',
      "  if (event.type === 'Allocated') event.data.batchref.toUpperCase();",
      "  if (event.type === 'CommandRejected' && event.data.reason === 'unknown-sku') event.id;",
      '  // @ts-expect-error only some events have a batch',
      '  event.data.batchref;',
      '}',
    ];
    writeFileSync(join(dist, 'types.ts'), script.join('\n'));
    run(tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', 'types.ts');
  }, 300_000);

  it('has samples in its README that compile', () => {
    const text = readFileSync(join(folder, 'README.md'), 'utf8');
    const samples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, sample = '']) => sample);
    expect(samples).toHaveLength(6);
    const names = samples.map((_, index) => `sample-${index}.ts`);
    for (const [index, name] of names.entries())
      writeFileSync(join(dist, name), samples[index] ?? '');
    symlinkSync(join(folder, '../../node_modules'), join(dist, 'node_modules'));
    run(tsc, '--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', ...names);
  }, 300_000);
});
