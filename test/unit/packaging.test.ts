import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
const read = async (file: string) => JSON.parse(await readFile(join(root, file), 'utf8'));

describe('package-lock.json', () => {
  // Compiling needs Python, which a newcomer may lack: see docs/decisions/0006.
  it('keeps npm from compiling better-sqlite3', async () => {
    const { packages } = await read('package-lock.json');
    expect(packages['node_modules/better-sqlite3']).toMatchObject({ gypfile: false });
  });

  it('contains no URL of a registry', async () => {
    expect(await readFile(join(root, 'package-lock.json'), 'utf8')).not.toContain('"resolved"');
  });
});

describe('package.json', () => {
  it('gives every dependency an exact version', async () => {
    const { dependencies, devDependencies } = await read('package.json');
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect(version, name).toMatch(/^\d/);
  });

  it('gives all packages of MikroORM the same version', async () => {
    const { dependencies, devDependencies } = await read('package.json');
    const versions = Object.entries({ ...dependencies, ...devDependencies }).filter(([name]) =>
      name.startsWith('@mikro-orm/'),
    );
    expect(new Set(versions.map(([, version]) => version)).size).toBe(1);
  });
});
