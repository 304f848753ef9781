import { spawnSync } from 'node:child_process';
import { glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

const domain = ['domain/model.ts', 'domain/value-objects.ts'];
const messages = ['messages/incoming.ts'];
const faultPoints = ['fault-points.ts'];
const interfaces = ['service-layer/unit-of-work.ts'];
const serviceLayer = [...interfaces, 'service-layer/handlers.ts'];
const bytes = ['adapters/record-bytes.ts'];
const sharedDatabase = ['adapters/database/database.ts'];
const database = [...bytes, ...sharedDatabase, 'adapters/database/transaction.ts'];
const broker = ['adapters/broker/kafka/broker.ts'];
const entrypoints = ['entrypoints/lane.ts'];
const top = [
  'views.ts',
  'config.ts',
  'bootstrap.ts',
  'main.ts',
  'cli/start.ts',
  'adapters/log-notifications.ts',
  '../mikro-orm.config.ts',
];
const runtime = ['node:fs', 'node:fs/promises'];
const packages = [
  'zod',
  'kafkajs',
  'kafkajs/src/cluster',
  '@mikro-orm/core',
  'fastify',
  'pino',
  'prom-client',
  'kysely',
  'better-sqlite3',
  'commander',
  'lz4-napi',
  'snappy',
];

/** Each layer, and all of these that it may import. */
const everything = [
  domain,
  messages,
  faultPoints,
  serviceLayer,
  database,
  broker,
  entrypoints,
  top,
  runtime,
  packages,
].flat();
const layers: Readonly<Record<string, readonly string[]>> = {
  domain,
  messages: [...domain, ...messages, 'zod'],
  'service-layer': [...domain, ...serviceLayer],
  'adapters/database': [
    ...domain,
    ...faultPoints,
    ...interfaces,
    ...database,
    ...runtime,
    '@mikro-orm/core',
    'kysely',
    'better-sqlite3',
  ],
  'adapters/broker/kafka': [
    'domain/value-objects.ts',
    ...faultPoints,
    ...interfaces,
    ...bytes,
    ...sharedDatabase,
    ...broker,
    ...runtime,
    'kafkajs',
    'lz4-napi',
    'pino',
    'snappy',
  ],
  entrypoints: [
    ...domain,
    ...messages,
    ...faultPoints,
    ...serviceLayer,
    ...entrypoints,
    'views.ts',
    ...runtime,
    'fastify',
    'pino',
    'prom-client',
  ],
};

/** Ways to import without saying `import { … } from`. */
const spellings = {
  'a-detour':
    "import { something } from './../domain/../messages/incoming.ts';\n\nexport const used = something;\n",
  'type-only':
    "import type { Something } from '../messages/incoming.ts';\n\nexport type Used = Something;\n",
  'for-its-effect': "import '../messages/incoming.ts';\n",
  're-exported': "export { something } from '../messages/incoming.ts';\n",
  'all-re-exported': "export * from '../messages/incoming.ts';\n",
  dynamic: "export const used = await import('../messages/incoming.ts');\n",
};

const fileOf = (layer: string, module: string) =>
  `src/${layer}/imports-${everything.indexOf(module)}.ts`;

function specifierOf(layer: string, module: string): string {
  if (!module.endsWith('.ts')) return module;
  const path = relative(layer, module);
  return path.startsWith('.') ? path : `./${path}`;
}

/** The project's own lint rules on a tree of files with one import each. */
describe('the layers', () => {
  let directory: string;
  let refused: ReadonlySet<string>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-layers-'));
    const { vcs: _, ...rules } = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'));
    await writeFile(join(directory, 'biome.json'), JSON.stringify(rules));
    for (const layer of Object.keys(layers)) {
      await mkdir(join(directory, 'src', layer), { recursive: true });
      for (const module of everything) {
        const text = `import { something } from '${specifierOf(layer, module)}';\n\nexport const used = something;\n`;
        await writeFile(join(directory, fileOf(layer, module)), text);
      }
    }
    for (const [spelling, text] of Object.entries(spellings))
      await writeFile(join(directory, `src/domain/${spelling}.ts`), text);
    const { stdout } = spawnSync(
      join(root, 'node_modules/.bin/biome'),
      ['lint', '--reporter=github', '--max-diagnostics=none', '.'],
      {
        cwd: directory,
        encoding: 'utf8',
      },
    );
    refused = new Set(
      [...stdout.matchAll(/^::error title=lint\/style\/noRestrictedImports,file=([^,]+),/gm)].map(
        ([, file = '']) => file,
      ),
    );
  });

  afterAll(async () => rm(directory, { recursive: true }));

  it.each(Object.entries(layers))(
    '%s may import what it needs, and nothing else',
    (layer, allowed) => {
      const accepted = everything.filter((module) => !refused.has(fileOf(layer, module)));
      expect(accepted.toSorted()).toEqual(allowed.toSorted());
    },
  );

  it.each(Object.keys(spellings))(
    'a forbidden import is refused also when it is %s',
    (spelling) => {
      expect(refused).toContain(`src/domain/${spelling}.ts`);
    },
  );
});

/** What the files have that matches: `<file>: <match>`. */
async function findInSources(pattern: string, wanted: RegExp): Promise<string[]> {
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

describe('what the lint rule does not see', () => {
  it('is not an exemption from it, or from the types', async () => {
    expect(
      await findInSources('src/**/*.ts', /biome-ignore|@ts-(ignore|expect-error|nocheck)/g),
    ).toEqual([]);
  });

  it('is an import in another form only where kafkajs is mended, or used, inside', async () => {
    const otherForms = /\b(import|require)\s*\([^)]*\)/g;
    expect(
      await findInSources(
        'src/{domain,messages,service-layer,adapters,entrypoints}/**/*.ts',
        otherForms,
      ),
    ).toEqual([
      "src/adapters/broker/kafka/records/record-batch.ts: require('kafkajs/src/protocol/recordBatch/crc32C')",
      "src/adapters/broker/kafka/connection.ts: require('kafkajs/src/loggers')",
      "src/adapters/broker/kafka/connection.ts: require('kafkajs/src/network/connection')",
      "src/adapters/broker/kafka/connection.ts: require('kafkajs/src/network/socketFactory')",
      "src/adapters/broker/kafka/requests/exchange.ts: require('kafkajs/src/protocol/decoder')",
      "src/adapters/broker/kafka/requests/exchange.ts: require('kafkajs/src/protocol/encoder')",
      "src/adapters/broker/kafka/patches.ts: require('kafkajs/src/network/requestQueue')",
      "src/adapters/broker/kafka/producer/producer-requests.ts: require('kafkajs/src/cluster')",
      "src/adapters/broker/kafka/producer/producer-requests.ts: require('kafkajs/src/loggers')",
      "src/adapters/broker/kafka/producer/producer-requests.ts: require('kafkajs/src/network/socketFactory')",
      "src/adapters/broker/kafka/producer/producer-requests.ts: require('kafkajs/src/protocol/encoder')",
      "src/adapters/broker/kafka/producer/producer-requests.ts: require('kafkajs/src/protocol/error')",
      "src/adapters/broker/kafka/producer/producer-requests.ts: require('kafkajs/src/protocol/requests/produce/v3/response')",
    ]);
  });

  it('is no clock, no lots and no process in the domain', async () => {
    const outside = /\b(Date|Math\.random|crypto|performance|process|globalThis|setTimeout)\b/g;
    expect(await findInSources('src/domain/**/*.ts', outside)).toEqual([]);
  });
});
