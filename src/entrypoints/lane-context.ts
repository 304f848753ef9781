import type { Logger } from 'pino';
import type { Broker } from '../service-layer/broker.ts';
import type { LaneStore } from '../service-layer/lane-store.ts';
import type { Tracing } from '../tracing/tracing.ts';
import type { AnswerContext } from './answer-context.ts';
import type { AnswerReader } from './answered-offsets.ts';
import type { DeliveryLog } from './delivery-log.ts';
import type { EarlierCommands } from './earlier-commands.ts';
import type { LaneOffsets } from './lane-offsets.ts';
import type { LanePauses } from './lane-pauses.ts';
import type { OlderDatabaseError } from './lane-refusal.ts';
import type { ByteBudget } from './memory-budget.ts';
import type { ProductTurns } from './product-turns.ts';
import type { UnknownFields } from './unknown-fields.ts';

/** What all lanes of a process share. */
export interface LaneContext {
  readonly broker: Broker;
  readonly store: LaneStore;
  readonly group: string;
  readonly answerContext: AnswerContext;
  /**
   * How far the lanes have published. Two lanes may write one product one after the other, and each
   * publishes by itself. So an answer waits until the answer that it rests on is published: the one
   * with an earlier `ce_sequence` of the same product. Published events never lack an earlier one.
   * The database can be lost at any moment. Unpublished answers are then decided again, and nothing
   * published rests on them.
   */
  readonly published: LaneOffsets;
  /** Keeps lanes from rejecting a command before earlier commands of other lanes are decided. */
  readonly earlier: EarlierCommands;
  /** Knows which lanes are paused. Absent: nobody can pause a lane. */
  readonly pauses?: LanePauses;
  readonly relayBudget: ByteBudget;
  readonly productTurns: ProductTurns;
  readonly answerReader: AnswerReader;
  readonly unknownFields: UnknownFields;
  /** Makes the spans of deliveries and publications. Absent: tracing is off. */
  readonly tracing?: Tracing;
  readonly deliveryLog: DeliveryLog;
  /** Says what an operator can do about a database that is older than the topics. */
  readonly recoveryAdvice: () => Promise<string>;
  /** Called each time that a lane finds the database older than the topics. */
  readonly onOlder?: (error: OlderDatabaseError) => void;
  /**
   * Makes every lane of the process open anew, and so check whether the database still fits.
   * @param timeline lanes that have opened on this timeline need not check again
   */
  readonly reopenAll: (why: string, timeline?: string) => void;
  readonly log: Logger;
}
