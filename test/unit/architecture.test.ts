import { spawnSync } from 'node:child_process';
import { glob, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');

/** One module, or a few, of each room. The rules name some files of a room one by one. */
const domain = ['domain/model.ts'];
const domainValues = ['domain/errors.ts', 'domain/value-objects.ts'];
const messages = ['messages/incoming.ts'];
const faultPoints = ['fault-points.ts'];
const ports = ['service-layer/unit-of-work.ts', 'service-layer/errors.ts'];
const services = ['service-layer/handlers.ts'];
const recordBytes = ['adapters/record-bytes.ts'];
const notifications = ['adapters/log-notifications.ts'];
const databaseRoot = ['adapters/database/database.ts'];
const databaseFiles = ['adapters/database/transaction.ts'];
const laneRows = ['adapters/database/lanes/lane-pauses.ts'];
const parkedRelease = ['adapters/database/lanes/parked-release.ts'];
const databaseUrl = ['adapters/database/connection/database-url.ts'];
const databaseWings = [
  'adapters/database/aggregates/stock-reader.ts',
  'adapters/database/connection/heartbeat.ts',
  'adapters/database/lanes/outbox.ts',
  'adapters/database/replay/event-fold.ts',
];
const brokerFiles = ['adapters/broker/hand-over.ts'];
const embeddedCopy = ['adapters/broker/embedded/copy.ts'];
const embedded = ['adapters/broker/embedded/log.ts'];
const keyPartition = ['adapters/broker/kafka/key-partition.ts'];
const kafka = ['adapters/broker/kafka/broker.ts'];
const examination = ['adapters/broker/kafka/examination.ts'];
const kafkaWings = [
  'adapters/broker/kafka/consumer/subscription.ts',
  'adapters/broker/kafka/producer/publisher.ts',
  'adapters/broker/kafka/records/compression.ts',
  'adapters/broker/kafka/requests/exchange.ts',
  'adapters/broker/kafka/security/error-chain.ts',
];
const laneReports = ['entrypoints/lane-report.ts'];
const entrypoints = [...laneReports, 'entrypoints/lane.ts'];
const metrics = ['entrypoints/metrics/book.ts', 'entrypoints/metrics/metrics.ts'];
const repeatedWarnings = ['repeated-warnings.ts'];
const http = ['entrypoints/http/api.ts'];
const problems = ['entrypoints/http/problem.ts'];
const httpAnswers = ['entrypoints/http/listen-error.ts', ...problems];
const openapi = ['entrypoints/http/openapi/described-api.ts'];
const roles = ['entrypoints/http/doors/access.ts'];
const doors = ['entrypoints/http/doors/doors.ts'];
const tokens = [...roles, 'entrypoints/http/doors/token-list.ts'];
const auditCursor = ['audit/read-acts.ts'];
const audit = [...auditCursor, 'audit/audit.ts'];
const jobs = ['jobs/jobs.ts'];
const pauseReason = ['lanes/pause-reason.ts'];
const lanes = [...pauseReason, 'lanes/lane-control.ts'];
const status = ['status/service-status.ts'];
const turns = ['turns.ts'];
const commandStatus = ['command-status/command-statuses.ts'];
const wayWords = ['order-way/search-cursor.ts', 'order-way/way-step.ts'];
const orderWay = [...wayWords, 'order-way/order-ways.ts'];
const jsonSchemas = ['contract/json-schemas.ts'];
const contract = [...jsonSchemas, 'contract/asyncapi.ts'];
const letterHeaders = ['dead-letters/encode-dead-letter.ts'];
const letterCursor = ['dead-letters/letter-pages.ts'];
const deadLetters = [...letterCursor, 'dead-letters/plan.ts'];
const traceIds = ['tracing/trace-id.ts'];
const tracing = [...traceIds, 'tracing/tracing.ts'];
const tracingSettings = ['tracing-settings.ts'];
const replay = ['replay/rebuild.ts'];
const doctor = ['doctor/finding.ts'];
const cli = ['cli/output.ts'];
const cliDeadLetters = ['cli/dead-letters/show.ts'];
const cliDoctor = ['cli/doctor/doctor.ts'];
const cliReplay = ['cli/replay/replay.ts'];
const nearestName = ['nearest-name.ts'];
const version = ['package-version.ts'];
const views = ['views/listings.ts'];
const output = ['control-characters.ts', 'log.ts'];
const topicSettings = ['topic-settings.ts'];
const config = ['config.ts', 'connections.ts'];
const metricSources = ['metric-sources.ts'];
const main = ['main.ts', 'signals.ts'];
const outside = ['../mikro-orm.config.ts'];
const runtime = ['node:fs', 'node:fs/promises'];
const packages = [
  '@opentelemetry/api',
  '@opentelemetry/sdk-trace',
  'zod',
  'kafkajs',
  'kafkajs/src/cluster',
  '@mikro-orm/core',
  '@fastify/rate-limit',
  '@fastify/swagger',
  'fastify',
  'jose',
  'pino',
  'pino-pretty',
  'prom-client',
  'kysely',
  'better-sqlite3',
  'commander',
  'cli-progress',
  'lz4-napi',
  'snappy',
  'yaml',
];

const allDomain = [...domain, ...domainValues];
const serviceLayer = [...ports, ...services];
const database = [
  ...databaseRoot,
  ...databaseFiles,
  ...laneRows,
  ...parkedRelease,
  ...databaseUrl,
  ...databaseWings,
];
const letters = [...letterHeaders, ...deadLetters];

const everything = [
  allDomain,
  messages,
  faultPoints,
  serviceLayer,
  recordBytes,
  notifications,
  database,
  brokerFiles,
  embeddedCopy,
  embedded,
  kafka,
  keyPartition,
  examination,
  kafkaWings,
  entrypoints,
  metrics,
  repeatedWarnings,
  http,
  httpAnswers,
  openapi,
  doors,
  tokens,
  audit,
  jobs,
  turns,
  commandStatus,
  orderWay,
  lanes,
  status,
  contract,
  letters,
  tracing,
  tracingSettings,
  replay,
  doctor,
  cli,
  cliDeadLetters,
  cliDoctor,
  cliReplay,
  nearestName,
  version,
  views,
  output,
  topicSettings,
  config,
  metricSources,
  main,
  outside,
  runtime,
  packages,
].flat();

const ofDatabase = [
  ...allDomain,
  ...faultPoints,
  ...ports,
  ...recordBytes,
  ...turns,
  ...database,
  ...runtime,
  '@mikro-orm/core',
  'kysely',
  'better-sqlite3',
];
const ofBroker = [...domainValues, ...faultPoints, ...ports, ...recordBytes, ...brokerFiles];
const ofKafka = [
  ...ofBroker,
  ...kafka,
  ...keyPartition,
  ...examination,
  ...kafkaWings,
  ...runtime,
  'kafkajs',
  'lz4-napi',
  'pino',
  'snappy',
];
const ofEntrypoints = [
  ...allDomain,
  ...messages,
  ...faultPoints,
  ...serviceLayer,
  ...entrypoints,
  ...metrics,
  ...repeatedWarnings,
  ...letterHeaders,
  ...tracing,
  ...views,
  ...runtime,
  'fastify',
  'pino',
];

/** Each room, and all of `everything` that its files may import. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  domain: allDomain,
  messages: [...allDomain, ...messages, ...nearestName, 'zod'],
  'service-layer': [...allDomain, ...serviceLayer],
  adapters: [
    ...allDomain,
    ...serviceLayer,
    ...recordBytes,
    ...notifications,
    ...repeatedWarnings,
    ...traceIds,
    'pino',
  ],
  'adapters/database': ofDatabase,
  'adapters/database/aggregates': ofDatabase,
  'adapters/database/connection': ofDatabase,
  'adapters/database/lanes': ofDatabase,
  'adapters/database/replay': ofDatabase,
  'adapters/broker': [...ofBroker, ...runtime],
  'adapters/broker/embedded': [
    ...ofBroker,
    ...databaseRoot,
    ...embeddedCopy,
    ...embedded,
    ...runtime,
    'kafkajs',
  ],
  'adapters/broker/kafka': ofKafka,
  'adapters/broker/kafka/consumer': ofKafka,
  'adapters/broker/kafka/producer': ofKafka,
  'adapters/broker/kafka/records': ofKafka,
  'adapters/broker/kafka/requests': ofKafka,
  'adapters/broker/kafka/security': ofKafka,
  entrypoints: ofEntrypoints,
  'entrypoints/metrics': [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...laneReports,
    ...metrics,
    ...traceIds,
    ...version,
    ...runtime,
    'fastify',
    'prom-client',
  ],
  'entrypoints/http': [
    ...ofEntrypoints,
    ...http,
    ...httpAnswers,
    ...openapi,
    ...doors,
    ...tokens,
    ...audit,
    ...commandStatus,
    ...jobs,
    ...deadLetters,
    ...orderWay,
    ...status,
    ...jsonSchemas,
    ...nearestName,
    ...version,
    'zod',
  ],
  'entrypoints/http/openapi': [
    ...messages,
    ...problems,
    ...openapi,
    ...roles,
    ...auditCursor,
    ...letterCursor,
    ...wayWords,
    ...pauseReason,
    ...status,
    ...views,
    ...runtime,
    '@fastify/swagger',
    'fastify',
    'zod',
  ],
  views: [...views, 'zod'],
  page: [],
  'entrypoints/http/doors': [
    ...serviceLayer,
    ...httpAnswers,
    ...doors,
    ...tokens,
    ...runtime,
    '@fastify/rate-limit',
    'fastify',
    'jose',
    'pino',
    'zod',
  ],
  tracing: [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...tracing,
    ...tracingSettings,
    ...version,
    ...runtime,
    '@opentelemetry/api',
    '@opentelemetry/sdk-trace',
    'fastify',
    'pino',
  ],
  audit: [...allDomain, ...messages, ...serviceLayer, ...audit, ...runtime, 'pino'],
  contract: [
    ...allDomain,
    ...messages,
    ...http,
    ...openapi,
    ...contract,
    ...jobs,
    ...letters,
    ...metrics,
    ...topicSettings,
    'config.ts',
    'pino',
    'yaml',
    'zod',
  ],
  'command-status': [
    ...messages,
    ...serviceLayer,
    ...turns,
    ...commandStatus,
    ...letters,
    ...runtime,
  ],
  lanes: [...serviceLayer, ...databaseRoot, ...laneRows, 'audit/audit.ts', ...lanes, 'zod'],
  status: [...serviceLayer, ...laneReports, ...status, ...runtime, 'zod'],
  jobs: ['domain/errors.ts', ...jobs, ...runtime],
  'order-way': [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...keyPartition,
    ...turns,
    ...letters,
    ...orderWay,
  ],
  'dead-letters': [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...recordBytes,
    ...parkedRelease,
    ...audit,
    ...jobs,
    ...letters,
    ...runtime,
  ],
  replay: [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...database,
    ...entrypoints,
    ...audit,
    ...jobs,
    ...letters,
    ...replay,
    'config.ts',
    ...runtime,
    'pino',
  ],
  doctor: [...examination, ...doctor, 'config.ts', ...runtime, 'pino'],
  cli: [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...databaseRoot,
    ...databaseUrl,
    ...tokens,
    ...audit,
    ...commandStatus,
    ...lanes,
    ...orderWay,
    ...contract,
    ...letters,
    ...cli,
    ...cliDeadLetters,
    ...cliDoctor,
    ...cliReplay,
    ...nearestName,
    ...version,
    ...views,
    ...output,
    ...topicSettings,
    ...config,
    ...main,
    ...runtime,
    'cli-progress',
    'commander',
    'pino',
    'pino-pretty',
  ],
  'cli/dead-letters': [
    ...allDomain,
    ...parkedRelease,
    ...audit,
    ...letters,
    ...cli,
    ...cliDeadLetters,
    ...config,
    ...runtime,
    'commander',
  ],
  'cli/doctor': [
    ...examination,
    ...database,
    ...entrypoints,
    ...doors,
    ...tokens,
    ...doctor,
    ...cli,
    ...cliDoctor,
    ...topicSettings,
    ...config,
    ...runtime,
    'commander',
    'pino',
  ],
  'cli/replay': [
    ...allDomain,
    ...messages,
    ...serviceLayer,
    ...database,
    ...embeddedCopy,
    ...entrypoints,
    ...audit,
    ...replay,
    ...cli,
    ...cliReplay,
    ...config,
    ...runtime,
    'cli-progress',
    'commander',
  ],
};

/** Ways to import without saying `import { … } from`. */
const spellings = {
  'a-detour':
    "import { something } from './../domain/../messages/incoming.ts';\n\n" +
    'export const used = something;\n',
  'type-only':
    "import type { Something } from '../messages/incoming.ts';\n\nexport type Used = Something;\n",
  'for-its-effect': "import '../messages/incoming.ts';\n",
  're-exported': "export { something } from '../messages/incoming.ts';\n",
  'all-re-exported': "export * from '../messages/incoming.ts';\n",
  dynamic: "export const used = await import('../messages/incoming.ts');\n",
};

/** Each room has one file with an import of every module, one a line. */
const importOf = (room: string, module: string) =>
  `src/${room}/imports.ts:${everything.indexOf(module) + 1}`;

function specifierOf(room: string, module: string): string {
  if (!module.endsWith('.ts')) return module;
  const path = relative(room, module);
  return path.startsWith('.') ? path : `./${path}`;
}

/** Runs the project's own lint rules on a file of each room. */
describe('the rooms', () => {
  let directory: string;
  let refused: ReadonlySet<string>;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'allocation-rooms-'));
    const { vcs: _, ...rules } = JSON.parse(await readFile(join(root, 'biome.json'), 'utf8'));
    await writeFile(join(directory, 'biome.json'), JSON.stringify(rules));
    for (const room of Object.keys(rooms)) {
      await mkdir(join(directory, 'src', room), { recursive: true });
      const lines = everything.map(
        (module, index) => `export { name${index} } from '${specifierOf(room, module)}';\n`,
      );
      await writeFile(join(directory, 'src', room, 'imports.ts'), lines.join(''));
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
    const refusals = /^::error title=lint\/style\/noRestrictedImports,file=([^,]+),line=(\d+),/gm;
    refused = new Set([...stdout.matchAll(refusals)].map(([, file, line]) => `${file}:${line}`));
  });

  afterAll(async () => rm(directory, { recursive: true }));

  it.each(Object.entries(rooms))(
    '%s may import what it needs, and nothing else',
    (room, allowed) => {
      const accepted = everything.filter((module) => !refused.has(importOf(room, module)));
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
    const modules = everything.filter((each) => each.endsWith('.ts') && !outside.includes(each));
    expect(modules.filter((module) => !files.has(module))).toEqual([]);
  });

  it.each(Object.keys(spellings))('a forbidden import is refused even if it is %s', (spelling) => {
    expect(refused).toContain(`src/domain/${spelling}.ts:1`);
  });
});

/** The files of src, relative to src. */
async function sourceFiles(): Promise<readonly string[]> {
  const files: string[] = [];
  for await (const file of glob('**/*.ts', { cwd: join(root, 'src') })) files.push(file);
  return files;
}

/** Which files of src each file imports, in any form: for types, for its effect, or later. */
async function importsOfSources(): Promise<ReadonlyMap<string, readonly string[]>> {
  const importsOf = async (file: string) => {
    const text = await readFile(join(root, 'src', file), 'utf8');
    const specifiers = text.matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g);
    return [...specifiers].map(([, specifier = '']) => join(dirname(file), specifier));
  };
  const files = (await sourceFiles()).toSorted();
  return new Map(
    await Promise.all(files.map(async (file) => [file, await importsOf(file)] as const)),
  );
}

/** Finds one cycle: the files along it, and the first one again. Null: there is none. */
function findCycle(imports: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const next of imports.get(file) ?? []) {
      const cycle = visit(next, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return null;
  };
  for (const file of imports.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return null;
}

describe('the imports of src', () => {
  it('have no cycle, type-only imports included', async () => {
    const imports = await importsOfSources();
    expect(imports.get('bootstrap.ts')).toContain('service-layer/message-bus.ts');
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

/** Finds what matches in the files: `<file>: <match>`. */
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

describe('the sources, beyond the lint rules', () => {
  it('have no exemption from the lint rules or the types', async () => {
    expect(
      await findInSources('src/**/*.ts', /biome-ignore|@ts-(ignore|expect-error|nocheck)/g),
    ).toEqual([]);
  });

  it('have no import in another form, except in kafkajs-internals.ts', async () => {
    const otherForms = /\b(import|require)\s*\([^)]*\)/g;
    expect(
      await findInSources(
        'src/{domain,messages,service-layer,adapters,entrypoints,dead-letters,replay}/**/*.ts',
        otherForms,
      ),
    ).toEqual(
      [
        'broker/saslAuthenticator/plain',
        'broker/saslAuthenticator/scram256',
        'broker/saslAuthenticator/scram512',
        'cluster',
        'loggers',
        'network/connection',
        'network/requestQueue',
        'network/socketFactory',
        'protocol/decoder',
        'protocol/encoder',
        'protocol/error',
        'protocol/recordBatch/crc32C',
        'protocol/requests/produce/v3/response',
      ].map(
        (name) => `src/adapters/broker/kafka/kafkajs-internals.ts: require('kafkajs/src/${name}')`,
      ),
    );
  });

  it('use no clock, no randomness and no process in the domain', async () => {
    const outside = /\b(Date|Math\.random|crypto|performance|process|globalThis|setTimeout)\b/g;
    expect(await findInSources('src/domain/**/*.ts', outside)).toEqual([]);
  });
});
