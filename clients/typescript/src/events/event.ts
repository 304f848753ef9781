import type { CommandType } from '../commands/command.ts';

interface Line {
  readonly orderid: string;
  readonly sku: string;
  readonly qty: number;
}

interface AllocatedLine extends Line {
  readonly batchref: string;
}

/** The reasons for a rejection that this version of the client knows. */
export type RejectionReason =
  | 'unknown-sku'
  | 'unknown-batch'
  | 'unknown-order'
  | 'batch-differs'
  | 'line-differs';

/** Any other text: a newer service may have more values. */
type Other = string & {};

/** The data of each event. There may be more fields. */
export interface EventData {
  readonly BatchCreated: {
    readonly reference: string;
    readonly sku: string;
    readonly quantity: number;
    /** `YYYY-MM-DD`; null: the batch is in stock. */
    readonly eta: string | null;
  };
  readonly Allocated: AllocatedLine;
  readonly AlreadyAllocated: AllocatedLine;
  readonly Deallocated: AllocatedLine;
  readonly OutOfStock: Line;
  readonly BatchQuantityChanged: {
    readonly reference: string;
    readonly sku: string;
    readonly quantity: number;
  };
  readonly CommandRejected: {
    readonly command: CommandType | Other;
    readonly reason: RejectionReason | Other;
    /** A sentence for people. */
    readonly detail: string;
    readonly orderid?: string;
    readonly sku?: string;
    readonly reference?: string;
  };
}
export type EventType = keyof EventData;

/** What an event says about itself. Null: the event does not say. */
export interface EventEnvelope {
  /** Names the event. A repeat or a copy has the same id: drop repeats by it. */
  readonly id: string | null;
  readonly source: string | null;
  /** The sku. A rejection without an sku has its batch or order here, and a composite its key. */
  readonly subject: string | null;
  /** When the service decided, ISO 8601 in UTC. */
  readonly time: string | null;
  /** The version of the data, from `dataschema`; 1 without it. Null: the schema is foreign. */
  readonly version: number | null;
  /** The product that the event is about. */
  readonly sku: string | null;
  /** The product's version after the event: 1, 2, 3, … per sku. Null: the event has none. */
  readonly sequence: number | null;
  /** The id of the command that the event answers; its place if it had no id. */
  readonly causationId: string | null;
  /** The source of that command. Null: the command was plain JSON. */
  readonly causationSource: string | null;
  readonly correlationId: string | null;
  readonly traceparent: string | null;
  /** Whether `allocation replay events` copied the event from another topic. */
  readonly isReplay: boolean;
}

/** An event of a type that this client knows. */
export type KnownEvent = {
  readonly [T in EventType]: EventEnvelope & { readonly type: T; readonly data: EventData[T] };
}[EventType];

/** A message that this client does not know, or that is no event. Nothing is thrown away. */
export interface UnknownEvent extends EventEnvelope {
  readonly type: 'unknown';
  /** The type that the message names. */
  readonly eventType: string | null;
  /** Says in one sentence, for people, why the event is unknown. */
  readonly why: string;
  /** The parsed JSON; text or bytes if the message is not JSON. */
  readonly data: unknown;
}

export type AllocationEvent = KnownEvent | UnknownEvent;

/** Several events of one command in one message, so that a consumer sees all of them or none. */
export interface CompositeEvent extends EventEnvelope {
  readonly type: 'CompositeDomainEvent';
  readonly events: readonly AllocationEvent[];
}
