import { modules } from './modules.ts';

const ofDatabase = [
  ...modules.allDomain,
  ...modules.faultPoints,
  ...modules.ports,
  ...modules.recordBytes,
  ...modules.turns,
  ...modules.database,
  ...modules.runtime,
  '@mikro-orm/core',
  'kysely',
  'better-sqlite3',
];
const ofBroker = [
  ...modules.domainValues,
  ...modules.faultPoints,
  ...modules.ports,
  ...modules.recordBytes,
  ...modules.brokerFiles,
];
const ofKafka = [
  ...ofBroker,
  ...modules.kafka,
  ...modules.keyPartition,
  ...modules.examination,
  ...modules.kafkaWings,
  ...modules.runtime,
  '@node-rs/crc32',
  'kafkajs',
  'lz4-napi',
  'pino',
  'snappy',
];
/** Each room of the adapters, and all modules that its files may import. */
export const adapterRooms: Readonly<Record<string, readonly string[]>> = {
  adapters: [
    ...modules.allDomain,
    ...modules.serviceLayer,
    ...modules.recordBytes,
    ...modules.notifications,
    ...modules.repeatedWarnings,
    ...modules.traceIds,
    'pino',
  ],
  'adapters/database': ofDatabase,
  'adapters/database/aggregates': ofDatabase,
  'adapters/database/connection': ofDatabase,
  'adapters/database/lanes': ofDatabase,
  'adapters/database/replay': ofDatabase,
  'adapters/broker': [...ofBroker, ...modules.runtime],
  'adapters/broker/embedded': [
    ...ofBroker,
    ...modules.databaseRoot,
    ...modules.embeddedCopy,
    ...modules.embedded,
    ...modules.runtime,
    'kafkajs',
  ],
  'adapters/broker/kafka': ofKafka,
  'adapters/broker/kafka/consumer': ofKafka,
  'adapters/broker/kafka/producer': ofKafka,
  'adapters/broker/kafka/records': ofKafka,
  'adapters/broker/kafka/requests': ofKafka,
  'adapters/broker/kafka/security': ofKafka,
};
