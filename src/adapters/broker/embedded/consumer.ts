import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { GenericUUID } from '../../../domain/value-objects.ts';
import type {
  AssignedPartition,
  ConsumeOptions,
  GroupConsumer,
  PartitionOwner,
} from '../../../service-layer/consumer-group.ts';
import type { Database } from '../../database/database.ts';
import { deliveryBytes } from '../delivery-bytes.ts';
import type { EmbeddedLog } from './log.ts';

/** How long a lease lasts. A member that does not renew it loses the partitions. */
const LEASE_MS = 6_000;
const RENEWAL_MS = 1_500;
const STANDBY_MS = 250;
const RETRY_MS = 100;

/** A row of the table `log_group_leases`. */
interface LeaseRow {
  readonly member_id: string;
  readonly leased_until_ms: number;
}

/**
 * One member of a group on the embedded log.
 *
 * Guarantee: one member at a time has all partitions of the topic, as long as it renews its lease.
 * The other members stand by. Another member takes over from a dead one after the lease has run
 * out. Correctness does not depend on the clock: the producers' epochs and the positions in the
 * database fence a former holder that wakes up.
 *
 * The clock that wrote a lease may have been hours ahead. So a lease also runs out when a member
 * has watched it for a lease's duration and has seen no renewal. The owner counts from before its
 * renewal, and a watcher from after it has seen the renewal. So the owner stops first.
 *
 *   standing by ──lease──▶ owning ──lease lost──▶ standing by ─ … ─▶ closed
 */
export class EmbeddedConsumer implements GroupConsumer {
  readonly #database: Database;
  readonly #log: EmbeddedLog;
  readonly #options: ConsumeOptions;
  readonly #memberId = `${new GenericUUID(randomUUID())}/${process.pid}`;
  readonly #closing = new AbortController();
  readonly #firstJoin = Promise.withResolvers<void>();
  readonly #living: Promise<void>;
  /** Another member's lease, and when this member first saw its state (`performance.now()`). */
  #watched: (LeaseRow & { readonly sinceMs: number }) | null = null;
  /** The member that works while this one stands by. */
  #worker: string | null = null;

  constructor(database: Database, log: EmbeddedLog, options: ConsumeOptions) {
    this.#database = database;
    this.#log = log;
    this.#options = options;
    this.#living = this.#live();
  }

  /** Resolves when this member first has the partitions, stands by, or is closed. */
  get firstJoin(): Promise<void> {
    return this.#firstJoin.promise;
  }

  /** Always null. A member that stands by has no problem, because another member works. */
  problem(): null {
    return null;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#living;
  }

  async #live(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const askedMs = performance.now();
      const hasLease = await this.#hasLease().catch(() => null);
      if (hasLease) await this.#own(askedMs + LEASE_MS);
      if (hasLease === false) {
        this.#firstJoin.resolve();
        this.#sayWhoWorks(this.#watched?.member_id ?? null);
      }
      if (!hasLease) await pause(STANDBY_MS, this.#closing.signal);
    }
    this.#firstJoin.resolve();
  }

  /**
   * Owns every partition until the lease is lost or the consumer closes.
   * @param leasedUntilMs a time of `performance.now()`, which no operator can set back
   */
  async #own(leasedUntilMs: number): Promise<void> {
    const { partitions } = await this.#log.topic(this.#options.topic);
    this.#sayWhoWorks(null);
    const maxBytes = deliveryBytes(partitions, this.#options.maxFetchedBytes);
    const owned = Array.from(
      { length: partitions },
      (_, partition) => new OwnedPartition(partition, this.#log, this.#options, maxBytes),
    );
    this.#firstJoin.resolve();
    let untilMs = leasedUntilMs;
    while (!this.#closing.signal.aborted && performance.now() < untilMs) {
      // Count the lease from before the pause, so that the owners can finish before it runs out.
      const sinceMs = performance.now();
      await pause(Math.min(RENEWAL_MS, untilMs - sinceMs), this.#closing.signal);
      const renewed = await this.#hasLease().catch(() => null);
      if (renewed === false) break;
      if (renewed) untilMs = sinceMs + LEASE_MS;
    }
    await Promise.all(owned.map((partition) => partition.close()));
    await this.#release().catch(() => {});
  }

  /** @param worker the other member that has the lease; null: this member has it */
  #sayWhoWorks(worker: string | null): void {
    if (worker === this.#worker) return;
    this.#worker = worker;
    // Earlier releases wrote a lease without the number of their process.
    const [, pid] = worker?.split('/') ?? [];
    const who = pid === undefined ? 'another process' : `process ${pid}`;
    this.#options.onStandBy?.(worker === null ? null : `${who} works on this file`);
  }

  /** Takes the lease, or renews it. @returns whether this member has the lease now */
  async #hasLease(): Promise<boolean> {
    const { group, topic } = this.#options;
    return this.#database.transaction(async (sql) => {
      const [lease] = await sql<LeaseRow>(
        'select member_id, leased_until_ms from log_group_leases where group_id = ? and topic = ?',
        [group, topic],
      );
      if (lease && lease.member_id !== this.#memberId && !this.#hasRunOut(lease)) return false;
      await sql(
        `insert into log_group_leases (group_id, topic, member_id, leased_until_ms)
         values (?, ?, ?, ?)
         on conflict (group_id, topic) do update
         set member_id = excluded.member_id, leased_until_ms = excluded.leased_until_ms`,
        [group, topic, this.#memberId, Date.now() + LEASE_MS],
      );
      return true;
    });
  }

  /** Tells whether another member's lease has run out, by the clock or for lack of a renewal. */
  #hasRunOut(lease: LeaseRow): boolean {
    const nowMs = performance.now();
    const isSame =
      this.#watched?.member_id === lease.member_id &&
      this.#watched.leased_until_ms === lease.leased_until_ms;
    if (!this.#watched || !isSame) this.#watched = { ...lease, sinceMs: nowMs };
    return lease.leased_until_ms < Date.now() || nowMs - this.#watched.sinceMs >= LEASE_MS;
  }

  async #release(): Promise<void> {
    const { group, topic } = this.#options;
    await this.#database.transaction((sql) =>
      sql('delete from log_group_leases where group_id = ? and topic = ? and member_id = ?', [
        group,
        topic,
        this.#memberId,
      ]),
    );
  }
}

/** Hands one partition's records to its owner, one delivery at a time. */
class OwnedPartition implements AssignedPartition {
  readonly topic: string;
  readonly partition: number;
  readonly #log: EmbeddedLog;
  readonly #closing = new AbortController();
  readonly #delivering: Promise<void>;
  readonly #owner: PartitionOwner;
  readonly #maxBytes: number;
  #nextOffset: number | null = null;
  #resumed = Promise.withResolvers<void>();

  constructor(
    partition: number,
    log: EmbeddedLog,
    { topic, openOwner }: ConsumeOptions,
    maxBytes: number,
  ) {
    this.topic = topic;
    this.partition = partition;
    this.#log = log;
    this.#maxBytes = maxBytes;
    this.#owner = openOwner(this);
    this.#delivering = this.#deliver();
  }

  membership(): null {
    return null;
  }

  /** Does nothing, because one member has all partitions. */
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
      const records = await this.#log
        .read(this.topic, this.partition, fromOffset, this.#maxBytes)
        .catch(() => null);
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
