import { BigIntType, defineEntity, type EntityProperty, type Platform, p } from '@mikro-orm/core';
import { Batch } from '../../domain/batch.ts';
import { Product } from '../../domain/product.ts';

/*
 * MikroORM's view of the tables. It maps the domain's classes from outside, constructors included.
 * Hand-written statements read and write the other tables. Their mapping is here so that a test can
 * compare it with the migrations. A new column goes here and into the statements.
 */

/** A whole number up to 2^53 - 1. */
const bigint = () => p.bigint('number');
const int = () => p.integer();
const text = () => p.text();
/** A name. PostgreSQL sorts names by their code points (collation C), as SQLite sorts all texts. */
const name = () => p.text().ignoreSchemaChanges('collation');

/** A table's own key of 64 bits. SQLite accepts only the type name `integer` here. */
class TableKey extends BigIntType<'number'> {
  override getColumnType(prop: EntityProperty, platform: Platform): string {
    const integer = platform.getIntegerTypeDeclarationSQL({});
    return integer === 'integer' ? integer : super.getColumnType(prop, platform);
  }
}

const id = () => p.type(new TableKey('number')).primary().autoincrement();

const products = defineEntity({
  class: Product,
  tableName: 'products',
  forceConstructor: true,
  constructorParams: ['sku', 'version'],
  properties: {
    sku: name().primary(),
    version: bigint(),
    sourceTopic: text().fieldName('source_topic').nullable(),
    sourcePartition: int().fieldName('source_partition').nullable(),
    nextOffset: bigint().fieldName('next_offset').nullable(),
  },
});

/** MikroORM sets the table's key on the object. The domain does not read that property. */
const batches = defineEntity({
  class: Batch,
  tableName: 'batches',
  forceConstructor: true,
  indexes: [{ name: 'batches_sku_index', properties: ['sku'] }],
  uniques: [{ name: 'batches_reference_unique', properties: ['reference'] }],
  properties: {
    id: id(),
    reference: name(),
    sku: name(),
    quantity: bigint(),
    eta: text().nullable(),
    allocatedQuantity: bigint().fieldName('allocated_quantity'),
  },
});

const orderLines = defineEntity({
  name: 'OrderLineRow',
  tableName: 'order_lines',
  uniques: [{ name: 'order_lines_orderid_sku_unique', properties: ['orderid', 'sku'] }],
  properties: { id: id(), orderid: name(), sku: name(), qty: bigint() },
});

const allocations = defineEntity({
  name: 'AllocationRow',
  tableName: 'allocations',
  // The migrations for SQLite index `batch_id` alone, because every index there ends with the id.
  indexes: [
    {
      name: 'allocations_batch_id_index',
      expression: 'create index allocations_batch_id_index on allocations (batch_id, id)',
    },
  ],
  properties: {
    id: id(),
    batch: () =>
      p.manyToOne(batches).fieldName('batch_id').updateRule('no action').deleteRule('no action'),
    orderline: () =>
      p
        .oneToOne(orderLines)
        .owner()
        .fieldName('orderline_id')
        .unique('allocations_orderline_id_unique')
        .updateRule('no action')
        .deleteRule('no action'),
  },
});

const sourcePositions = defineEntity({
  name: 'SourcePositionRow',
  tableName: 'source_positions',
  properties: {
    topic: text().primary(),
    partition: int().primary(),
    nextOffset: bigint().fieldName('next_offset'),
    nextSequence: bigint().fieldName('next_sequence'),
    logId: text().fieldName('log_id').nullable(),
    leaderEpoch: int().fieldName('leader_epoch').nullable(),
    ownerGroup: text().fieldName('owner_group').nullable(),
    formerGroup: text().fieldName('former_group').nullable(),
    hasFormerId: int().fieldName('has_former_id').default(1),
    pause: text().nullable(),
  },
});

const waitingLanes = defineEntity({
  name: 'WaitingLaneRow',
  tableName: 'waiting_lanes',
  properties: {
    topic: text().primary(),
    partition: int().primary(),
    nextOffset: bigint().fieldName('next_offset'),
    timestampMs: bigint().fieldName('timestamp_ms'),
  },
});

const processedCommands = defineEntity({
  name: 'ProcessedCommandRow',
  tableName: 'processed_commands',
  properties: { id: text().primary(), scope: int().default(0) },
});

const parkedCommands = defineEntity({
  name: 'ParkedCommandRow',
  tableName: 'parked_commands',
  indexes: [
    { name: 'parked_commands_position', properties: ['position'] },
    { name: 'parked_commands_id', properties: ['id'] },
    {
      name: 'parked_commands_former_unique',
      expression:
        'create unique index parked_commands_former_unique on parked_commands (id) ' +
        "where identity = ''",
    },
  ],
  properties: {
    number: id(),
    id: text(),
    identity: text().default(''),
    subjects: text(),
    behind: text(),
    position: bigint(),
    isRedriven: int().fieldName('is_redriven'),
    replaces: text().nullable(),
  },
});

/** Triggers maintain this table. */
const parkedSubjects = defineEntity({
  name: 'ParkedSubjectRow',
  tableName: 'parked_subjects',
  indexes: [
    { name: 'parked_subjects_subject', properties: ['subject'] },
    { name: 'parked_subjects_of_command', properties: ['id'] },
  ],
  properties: { number: id(), subject: text(), id: text(), identity: text() },
});

const outbox = defineEntity({
  name: 'OutboxRow',
  tableName: 'outbox',
  properties: {
    sourceTopic: text().fieldName('source_topic').primary(),
    sourcePartition: int().fieldName('source_partition').primary(),
    sequence: bigint().primary(),
    nextOffset: bigint().fieldName('next_offset'),
    records: p.blob(),
    restsOn: text().fieldName('rests_on').default('[]'),
  },
});

const rebuilds = defineEntity({
  name: 'RebuildRow',
  tableName: 'rebuilds',
  properties: { state: text().primary(), plan: text() },
});

const logIdentity = defineEntity({
  name: 'LogIdentityRow',
  tableName: 'log_identity',
  properties: { id: text().primary() },
});

const logTopics = defineEntity({
  name: 'LogTopicRow',
  tableName: 'log_topics',
  properties: {
    name: text().primary(),
    partitions: int(),
    maxMessageBytes: int().fieldName('max_message_bytes'),
  },
});

const logBatches = defineEntity({
  name: 'LogBatchRow',
  tableName: 'log_batches',
  properties: {
    topic: text().primary(),
    partition: int().primary(),
    baseOffset: bigint().fieldName('base_offset').primary(),
    nextOffset: bigint().fieldName('next_offset'),
    timestampMs: bigint().fieldName('timestamp_ms'),
    records: p.blob(),
  },
});

const logGroupOffsets = defineEntity({
  name: 'LogGroupOffsetRow',
  tableName: 'log_group_offsets',
  properties: {
    groupId: text().fieldName('group_id').primary(),
    topic: text().primary(),
    partition: int().primary(),
    nextOffset: bigint().fieldName('next_offset'),
  },
});

const logProducers = defineEntity({
  name: 'LogProducerRow',
  tableName: 'log_producers',
  properties: { transactionalId: text().fieldName('transactional_id').primary(), epoch: int() },
});

const logGroupLeases = defineEntity({
  name: 'LogGroupLeaseRow',
  tableName: 'log_group_leases',
  properties: {
    groupId: text().fieldName('group_id').primary(),
    topic: text().primary(),
    memberId: text().fieldName('member_id'),
    leasedUntilMs: bigint().fieldName('leased_until_ms'),
  },
});

/** All tables, for MikroORM's options. */
export const schemas = [
  products,
  batches,
  orderLines,
  allocations,
  sourcePositions,
  waitingLanes,
  processedCommands,
  parkedCommands,
  parkedSubjects,
  outbox,
  rebuilds,
  logIdentity,
  logTopics,
  logBatches,
  logGroupOffsets,
  logProducers,
  logGroupLeases,
];
