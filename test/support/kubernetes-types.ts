import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, yamlOf } from './deployment.ts';

/** Where `kubernetes-types` describes each kind. */
const MODULES: Readonly<Record<string, string>> = {
  Deployment: 'apps/v1',
  Namespace: 'core/v1',
  NetworkPolicy: 'networking/v1',
  PodDisruptionBudget: 'policy/v1',
  Service: 'core/v1',
};
/** Kinds of Kustomize and KEDA, which are not Kubernetes' own. */
const OTHER_KINDS = ['Component', 'Kustomization', 'ScaledObject'];

const OPTIONS = {
  strict: true,
  noEmit: true,
  module: 'esnext',
  moduleResolution: 'bundler',
  types: [],
  paths: { 'kubernetes-types/*': [`${root}/node_modules/kubernetes-types/*`] },
};

/**
 * Checks manifests against the types of Kubernetes: each becomes an object in TypeScript, in which
 * the compiler allows no unknown field. JSON schemas of Kubernetes would allow unknown fields.
 *
 * @param files YAML files, relative to the root
 * @param others more manifests, by name
 * @returns the errors of the compiler; empty: there are none
 */
export async function typeErrors(
  files: readonly string[],
  others: Readonly<Record<string, { kind: string }>> = {},
): Promise<string> {
  const manifests = [...files.map((file) => [file, yamlOf(file)]), ...Object.entries(others)];
  const sources = manifests
    .filter(([, { kind }]) => !OTHER_KINDS.includes(kind))
    .map(([file, manifest]) => [file.replaceAll('/', '-'), sourceOf(manifest)] as const);
  const directory = await mkdtemp(join(tmpdir(), 'allocation-manifests-'));
  try {
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS }));
    for (const [name, source] of sources) await writeFile(join(directory, `${name}.ts`), source);
    const tsc = join(root, 'node_modules/.bin/tsc');
    return spawnSync(tsc, ['--project', directory], { encoding: 'utf8' }).stdout;
  } finally {
    await rm(directory, { recursive: true });
  }
}

function sourceOf(manifest: { readonly kind: string }): string {
  const module = MODULES[manifest.kind];
  if (module === undefined) throw new Error(`Add the kind ${manifest.kind} to MODULES`);
  const literal = JSON.stringify(manifest, null, 2);
  return (
    `import type { ${manifest.kind} } from 'kubernetes-types/${module}';\n` +
    `export const manifest: ${manifest.kind} = ${literal};\n`
  );
}
