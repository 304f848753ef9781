import type { Event } from '../domain/events.ts';
import type { LanePosition } from '../service-layer/lane-store.ts';
import type { MessageBus } from '../service-layer/message-bus.ts';
import type { ParkedCommand } from '../service-layer/parked-command.ts';
import type { ParkingLimits } from '../service-layer/parking.ts';
import type { Partition } from '../service-layer/records.ts';
import type { DeliveryTrace } from '../tracing/delivery-trace.ts';
import type { Metrics } from './metrics/metrics.ts';
import type { CommandRecord } from './read-delivery.ts';

/** What answering needs besides the records and the transaction. */
export interface AnswerContext {
  readonly bus: MessageBus;
  readonly eventsTopic: string;
  readonly deadLettersTopic: string;
  readonly parkingLimits: ParkingLimits;
  /** Whether to refuse commands that have fields which the service does not know. */
  readonly strictCommands: boolean;
  readonly clock: () => Date;
  readonly metrics: Metrics;
}

/** Why a handler failed on a command for good. */
export interface HandlerFailure {
  readonly message: string;
  readonly attempts: number;
}

/** The records of a delivery that one transaction answers. */
export interface DeliveryPart {
  readonly lane: Partition;
  readonly records: readonly CommandRecord[];
  /** Where the lane stands before the transaction. */
  readonly position: LanePosition;
  /** Every answer to a command below this offset is published. */
  readonly publishedBelowOffset: number;
  /** The largest message that the dead letters topic takes. */
  readonly deadLetterMaxBytes: number;
  /** The largest message that the events topic takes. */
  readonly eventMaxBytes: number;
  /** Set when the part is one command on which a handler failed for good. */
  readonly failure: HandlerFailure | null;
  /**
   * All lanes have decided what was accepted before the records below this offset. So these
   * commands may be rejected as unknown.
   */
  readonly settledBelowOffset: number;
  /** The most bytes that the answers to several commands may take together. */
  readonly maxAnswerBytes: number;
  /** Makes the spans of the delivery. Absent: tracing is off. */
  readonly trace?: DeliveryTrace;
}

/** What came of a record. */
export interface RecordAnswer extends CommandRecord {
  /**
   * Null: the record becomes a dead letter. Its command is not answered, so it can be sent again.
   */
  readonly events: readonly Event[] | null;
  /** Set when the command failed, or waits behind one that did. */
  readonly parked: ParkedCommand | null;
  /** Why the command is refused: it would do more than one transaction may. */
  readonly refusal?: string;
}
