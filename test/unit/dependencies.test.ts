import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** Licences of code that may be part of a product under the MIT licence. */
const PERMISSIVE = new Set([
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'ISC',
  'MIT',
]);
/**
 * Tools that build and test the service may have these too: nobody passes the tools on. CC-BY-4.0
 * is the licence of caniuse-lite: what browsers can do, as data that Babel asks.
 */
const OF_TOOLS = new Set([...PERMISSIVE, 'CC-BY-4.0', 'MPL-2.0', 'Python-2.0', 'Unlicense']);

interface Package {
  readonly dev?: boolean;
  /** The package's own name, where the lock file has it under an alias. */
  readonly name?: string;
  readonly version: string;
  readonly license?: string;
}

interface Component {
  readonly purl: string;
  readonly properties: readonly { readonly name: string }[];
}

const lock: Readonly<Record<string, Package>> = JSON.parse(
  readFileSync(join(root, 'package-lock.json'), 'utf8'),
).packages;
const packages = Object.entries(lock).filter(([path]) => path !== '');
const nameOf = (path: string, { name }: Package) => name ?? path.replace(/^.*node_modules\//, '');

/** The licence of a package. Old packages name it in their own file only, in a list. */
function licenceOf(path: string, { license }: Package): string {
  const file = join(root, path, 'package.json');
  if (license !== undefined || !existsSync(file)) return license ?? 'none';
  const { licenses } = JSON.parse(readFileSync(file, 'utf8'));
  return licenses?.map(({ type }: { type: string }) => type).join(' OR ') ?? 'none';
}

function isAllowed(licence: string, allowed: ReadonlySet<string>): boolean {
  return licence.split(' OR ').some((each) => allowed.has(each.replace(/[()]/g, '')));
}

describe('The dependencies', () => {
  it.each([
    { kind: 'of the service', isTool: false, allowed: PERMISSIVE },
    { kind: 'for development', isTool: true, allowed: OF_TOOLS },
  ])('$kind have licences that allow the MIT licence', ({ isTool, allowed }) => {
    const chosen = packages.filter(([, { dev = false }]) => dev === isTool);
    expect(chosen.length).toBeGreaterThan(50);
    const refused = chosen
      .map(
        ([path, each]) => [`${nameOf(path, each)}@${each.version}`, licenceOf(path, each)] as const,
      )
      .filter(([, licence]) => !isAllowed(licence, allowed))
      .map(([name, licence]) => `${name} has the licence ${licence}: read it, or do without it`);
    expect(refused).toEqual([]);
  });

  it('are all in the software bill of materials, with their licences', () => {
    const { stdout, stderr } = spawnSync('npm', ['run', '--silent', 'sbom'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 16 * 1024 * 1024,
    });
    expect(stderr).toBe('');
    const { bomFormat, components } = JSON.parse(stdout);
    expect(bomFormat).toBe('CycloneDX');
    const listed: [string, boolean][] = components.map((each: Component) => [
      decodeURIComponent(each.purl),
      each.properties.some(({ name }) => name === 'cdx:npm:package:development'),
    ]);
    const locked = packages.map(
      ([path, each]) =>
        [`pkg:npm/${nameOf(path, each)}@${each.version}`, each.dev ?? false] as const,
    );
    // What both the service and a tool have, under two names, belongs to the service.
    const ofService = locked.filter(([, isTool]) => !isTool);
    expect(new Map(listed)).toEqual(new Map([...locked, ...ofService]));
  });
});
