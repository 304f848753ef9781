import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GenericUUID } from '../../../domain/value-objects.ts';
import type { AssignedPartition, ConsumeOptions, GroupConsumer, PartitionOwner } from '../../../service-layer/unit-of-work.ts';
import type { Database } from '../../database/database.ts';
import type { EmbeddedLog } from './log.ts';

const LEASE_MS = 6_000;
const RENEWAL_MS = 1_500;
const STANDBY_MS = 250;
const RETRY_MS = 100;

/**
 * One member of a group on the embedded log.
 *
 * Guarantee: of a group's members one at a time has all partitions of the topic, as long as it renews its lease; the others
 * stand by. A member that dies is followed after its lease has run out. Nothing rests on the clock: a former holder that
 * wakes up is fenced by its producers' epochs and by the positions in the database.
 *
 *   standing by ──lease──▶ owning ──lease lost──▶ standing by ─ … ─▶ closed
 */
export class EmbeddedConsumer implements GroupConsumer {
  readonly #database: Database;
  readonly #log: EmbeddedLog;
  readonly #options: ConsumeOptions;
  readonly #memberId = new GenericUUID(randomUUID()).toString();
  readonly #closing = new AbortController();
  readonly #joined = Promise.withResolvers<void>();
  readonly #living: Promise<void>;

  constructor(database: Database, log: EmbeddedLog, options: ConsumeOptions) {
    this.#database = database;
    this.#log = log;
    this.#options = options;
    this.#living = this.#live();
  }

  /** Resolves when it first has the partitions, or stands by; also when it closes before. */
  get joined(): Promise<void> {
    return this.#joined.promise;
  }

  /** Standing by is no problem: another member works. */
  problem(): null {
    return null;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#living;
  }

  async #live(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const hasLease = await this.#hasLease().catch(() => null);
      if (hasLease) await this.#own();
      if (hasLease === false) this.#joined.resolve();
      if (!hasLease) await pause(STANDBY_MS, this.#closing.signal);
    }
    this.#joined.resolve();
  }

  /** Owns every partition until the lease is lost or the consumer closes. */
  async #own(): Promise<void> {
    const { partitions } = await this.#log.topic(this.#options.topic);
    const owned = Array.from({ length: partitions }, (_, partition) => new OwnedPartition(partition, this.#log, this.#options));
    this.#joined.resolve();
    let leasedUntilMs = Date.now() + LEASE_MS;
    while (!this.#closing.signal.aborted && Date.now() < leasedUntilMs) {
      await pause(RENEWAL_MS, this.#closing.signal);
      const renewed = await this.#hasLease().catch(() => null);
      if (renewed === false) break;
      if (renewed) leasedUntilMs = Date.now() + LEASE_MS;
    }
    await Promise.all(owned.map((partition) => partition.close()));
    await this.#release().catch(() => {});
  }

  /** Takes the lease, or renews it. @returns whether it is ours */
  async #hasLease(): Promise<boolean> {
    const { group, topic } = this.#options;
    const nowMs = Date.now();
    const rows = await this.#database.transaction((sql) =>
      sql(
        `insert into log_group_leases (group_id, topic, member_id, leased_until_ms) values (?, ?, ?, ?)
         on conflict (group_id, topic) do update set member_id = excluded.member_id, leased_until_ms = excluded.leased_until_ms
           where log_group_leases.member_id = excluded.member_id or log_group_leases.leased_until_ms < ?
         returning member_id`,
        [group, topic, this.#memberId, nowMs + LEASE_MS, nowMs],
      ),
    );
    return rows.length > 0;
  }

  async #release(): Promise<void> {
    const { group, topic } = this.#options;
    await this.#database.transaction((sql) =>
      sql('delete from log_group_leases where group_id = ? and topic = ? and member_id = ?', [group, topic, this.#memberId]),
    );
  }
}

/** Delivers one partition to its owner, one batch at a time. */
class OwnedPartition implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #log: EmbeddedLog;
  readonly #closing = new AbortController();
  readonly #delivering: Promise<void>;
  readonly #owner: PartitionOwner;
  #nextOffset: number | null = null;
  #resumed = Promise.withResolvers<void>();

  constructor(partition: number, log: EmbeddedLog, { topic, assigned }: ConsumeOptions) {
    this.topic = topic;
    this.partition = partition;
    this.#log = log;
    this.#owner = assigned(this);
    this.#delivering = this.#deliver();
  }

  membership(): null {
    return null;
  }

  /** Keeps it: one member has all partitions. */
  giveBack(): void {}

  pause(): void {
    this.#nextOffset = null;
  }

  resumeFrom(offset: number): void {
    this.#nextOffset = offset;
    this.#resumed.resolve();
    this.#resumed = Promise.withResolvers();
    this.#log.wakeReaders();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#resumed.resolve();
    await this.#owner.close();
    await this.#delivering;
  }

  async #deliver(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      const fromOffset = this.#nextOffset;
      if (fromOffset === null) {
        await this.#resumed.promise;
        continue;
      }
      const { version } = this.#log;
      const records = await this.#log.read(this.topic, this.partition, fromOffset).catch(() => null);
      if (records === null) {
        await pause(RETRY_MS, signal);
      } else if (records.length === 0) {
        await this.#log.newerThan(version, signal);
      } else if (this.#nextOffset === fromOffset && !signal.aborted) {
        this.#nextOffset = fromOffset + records.length;
        await this.#owner.handle(records);
      }
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
