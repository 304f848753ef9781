import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Command } from '../domain/commands.ts';
import type { AnswerRecord } from '../service-layer/lane-store.ts';

/** The metrics of the service, for Prometheus. */
export class Metrics {
  readonly registry = new Registry();
  readonly deliverySeconds = new Histogram({
    name: 'allocation_batch_seconds',
    help: 'Time to read, handle and commit the commands of one transaction',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5],
    registers: [this.registry],
  });
  readonly #commands = new Counter({
    name: 'allocation_messages_total',
    help: 'Answered messages of the commands topic, with repeats and dead letters',
    registers: [this.registry],
  });
  readonly #orderWaits = new Counter({
    name: 'allocation_order_waits_total',
    help:
      'Waits for other lanes before a command was rejected as unknown, by outcome: ' +
      'the others decided (decided), or stood still and were given up (ran-out)',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  readonly #orderWaitSeconds = new Histogram({
    name: 'allocation_order_wait_seconds',
    help: 'How long these waits lasted, or how long until they gave a lane up',
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 60, 300],
    registers: [this.registry],
  });
  readonly #answers = new Counter({
    name: 'allocation_answers_total',
    help: 'Messages written to the outbox: events by their type, dead letters by their reason',
    labelNames: ['type'],
    registers: [this.registry],
  });
  readonly #unknownFields = new Counter({
    name: 'allocation_unknown_fields_total',
    help:
      'Fields of commands that the service does not know and ignored, by the type of the ' +
      'command; at most 20 of each command',
    labelNames: ['type'],
    registers: [this.registry],
  });

  /** @param workingLanes called at each scrape: how many lanes work, and how many are assigned */
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

  /** Exports how many lanes the watchdog calls stuck. @param stuckLanes called at each scrape */
  watchLanes(stuckLanes: () => number): void {
    const stuck = new Gauge({
      name: 'allocation_lanes_stuck',
      help: 'Lanes of this process that have not moved for 30 s, though there are records to read',
      registers: [this.registry],
      collect() {
        stuck.set(stuckLanes());
      },
    });
  }

  /** Exports the lag of the lanes. @param offsets called at each scrape */
  watchLag(offsets: () => number): void {
    const lag = new Gauge({
      name: 'allocation_lag',
      help:
        'Offsets of the commands topic that this process has still to answer, ' +
        'in the partitions assigned to it, whose ends are up to 5 s old',
      registers: [this.registry],
      collect() {
        lag.set(offsets());
      },
    });
  }

  /** Exports which partitions each lane waits for. @param awaited called at each scrape */
  watchWaits(awaited: () => readonly (readonly number[])[]): void {
    const waiting = new Gauge({
      name: 'allocation_order_waiting_lanes',
      help:
        'Lanes of this process that wait before they reject a command as unknown, ' +
        'by the partition they wait for',
      labelNames: ['for'],
      registers: [this.registry],
      collect() {
        waiting.reset();
        for (const partition of awaited().flat()) waiting.inc({ for: String(partition) });
      },
    });
  }

  /**
   * Exports how many commands are parked. A scrape exports the count of the scrape before: a silent
   * database must not hold back the other metrics.
   * @param countParked called at each scrape
   */
  watchParked(countParked: () => Promise<number>): void {
    let known = Number.NaN;
    const note = (count: number) => {
      known = count;
    };
    const parked = new Gauge({
      name: 'allocation_parked_commands',
      help:
        'Commands of all lanes that failed, or wait behind one that did, ' +
        'as counted at the previous scrape; NaN: unknown',
      registers: [this.registry],
      collect() {
        parked.set(known);
        countParked().then(note, () => note(Number.NaN));
      },
    });
  }

  /**
   * Counts a lane's wait for others.
   * @param outcome `ran-out`: the lane gave up one that stood still
   */
  countWait(outcome: 'decided' | 'ran-out', seconds: number): void {
    this.#orderWaits.inc({ outcome });
    this.#orderWaitSeconds.observe(seconds);
  }

  /** Counts fields of a command that the service ignored. */
  countUnknownFields(type: Command['type'], count: number): void {
    this.#unknownFields.inc({ type }, count);
  }

  /** Counts the messages of one transaction, and its answers. */
  countAnswers(messages: number, answers: readonly AnswerRecord[]): void {
    this.#commands.inc(messages);
    const counts = new Map<string, number>();
    for (const { headers } of answers) {
      const reason = headers['dead-letter-reason'];
      // Count dead letters by reason: senders may choose any number of types.
      const type = reason === undefined ? String(headers.ce_type) : `dead-letter:${reason}`;
      counts.set(type, (counts.get(type) ?? 0) + 1);
    }
    for (const [type, count] of counts) this.#answers.inc({ type }, count);
  }
}
