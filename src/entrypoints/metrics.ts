import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { OutboxRecord } from '../service-layer/lane-store.ts';

/** What the service counts, for Prometheus. */
export class Metrics {
  readonly registry = new Registry();
  readonly batchSeconds = new Histogram({
    name: 'allocation_batch_seconds',
    help: 'Time to read, handle and commit one fetched batch of commands',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [this.registry],
  });
  readonly #commands = new Counter({
    name: 'allocation_messages_total',
    help: 'Messages of the commands topic that have been dealt with, repeats and dead letters included',
    registers: [this.registry],
  });
  readonly #orderWaits = new Counter({
    name: 'allocation_order_waits_total',
    help: 'Waits of a lane, before it rejected a command as unknown, for other lanes to decide what was accepted before; by how they ended',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly #orderWaitSeconds = new Histogram({
    name: 'allocation_order_wait_seconds',
    help: 'How long these waits lasted, or until they gave a lane up',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 300],
    registers: [this.registry],
  });
  readonly #answers = new Counter({
    name: 'allocation_answers_total',
    help: 'Messages written to the outbox, by type of event; dead letters by their reason',
    labelNames: ['type'],
    registers: [this.registry],
  });

  /** @param workingLanes asked at each scrape: how many lanes work, and how many this process has */
  constructor(workingLanes: () => { readonly working: number; readonly assigned: number }) {
    collectDefaultMetrics({ register: this.registry });
    const lanes = new Gauge({
      name: 'allocation_lanes',
      help: 'Partitions of the commands topic assigned to this process',
      labelNames: ['state'],
      registers: [this.registry],
      collect() {
        const { working, assigned } = workingLanes();
        lanes.set({ state: 'working' }, working);
        lanes.set({ state: 'waiting' }, assigned - working);
      },
    });
  }

  /** @param stuckLanes asked at each scrape: how many lanes the watchdog calls stuck */
  watchLanes(stuckLanes: () => number): void {
    const stuck = new Gauge({
      name: 'allocation_lanes_stuck',
      help: 'Lanes of this process that have had records to read for 30 s and have not moved since',
      registers: [this.registry],
      collect() {
        stuck.set(stuckLanes());
      },
    });
  }

  /** @param awaited asked at each scrape: the partitions that each lane waits for just now */
  watchWaits(awaited: () => readonly (readonly number[])[]): void {
    const waiting = new Gauge({
      name: 'allocation_order_waiting_lanes',
      help: 'Lanes of this process that wait just now, before they reject a command as unknown, by the partition that they wait for',
      labelNames: ['for'],
      registers: [this.registry],
      collect() {
        waiting.reset();
        for (const partition of awaited().flat()) waiting.inc({ for: String(partition) });
      },
    });
  }

  /**
   * @param countParked asked at each scrape, which does not wait for it: a database that is silent
   * must not keep the other numbers back
   */
  watchParked(countParked: () => Promise<number>): void {
    let known = Number.NaN;
    const note = (count: number) => {
      known = count;
    };
    const parked = new Gauge({
      name: 'allocation_parked_commands',
      help: 'Commands of all lanes that have failed, or wait behind one that has, as counted at the scrape before; NaN: not known',
      registers: [this.registry],
      collect() {
        parked.set(known);
        countParked().then(note, () => note(Number.NaN));
      },
    });
  }

  /** A lane has waited for others. @param outcome `ran-out`: it has given one up that stood still */
  waited(outcome: 'decided' | 'ran-out', seconds: number): void {
    this.#orderWaits.inc({ outcome });
    this.#orderWaitSeconds.observe(seconds);
  }

  answered(messages: number, outbox: readonly OutboxRecord[]): void {
    this.#commands.inc(messages);
    const counts = new Map<string, number>();
    for (const { headers } of outbox) {
      const reason = headers['dead-letter-reason'];
      // A dead letter has the type that its sender chose: any number of them.
      const type = reason === undefined ? String(headers.ce_type) : `dead-letter:${reason}`;
      counts.set(type, (counts.get(type) ?? 0) + 1);
    }
    for (const [type, count] of counts) this.#answers.inc({ type }, count);
  }
}
