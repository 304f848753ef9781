const domain = ['domain/product.ts'];
const domainValues = ['domain/errors.ts', 'domain/value-objects.ts'];
const messages = ['messages/read-command.ts'];
const faultPoints = ['fault-points.ts'];
const ports = ['service-layer/unit-of-work.ts', 'service-layer/errors.ts'];
const services = ['service-layer/handlers.ts'];
const recordBytes = ['adapters/record-bytes.ts'];
const notifications = ['adapters/log-notifications.ts'];
const databaseRoot = ['adapters/database/database.ts'];
const databaseFiles = ['adapters/database/transaction.ts'];
const laneRows = ['adapters/database/lanes/pause-rows.ts'];
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
  '@node-rs/crc32',
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

/** The modules by the name of their group. */
export const modules = {
  domainValues,
  messages,
  faultPoints,
  ports,
  services,
  recordBytes,
  notifications,
  databaseRoot,
  databaseFiles,
  laneRows,
  parkedRelease,
  databaseUrl,
  databaseWings,
  brokerFiles,
  embeddedCopy,
  embedded,
  keyPartition,
  kafka,
  examination,
  kafkaWings,
  laneReports,
  entrypoints,
  metrics,
  repeatedWarnings,
  http,
  problems,
  httpAnswers,
  openapi,
  roles,
  doors,
  tokens,
  auditCursor,
  audit,
  jobs,
  pauseReason,
  lanes,
  status,
  turns,
  commandStatus,
  wayWords,
  orderWay,
  jsonSchemas,
  contract,
  letterHeaders,
  letterCursor,
  deadLetters,
  traceIds,
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
  allDomain,
  serviceLayer,
  database,
  letters,
};

/** Every module that a room may be allowed or refused. */
export const allModules: readonly string[] = [...new Set(Object.values(modules).flat())];
