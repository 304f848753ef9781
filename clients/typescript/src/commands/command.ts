/** A batch of stock arrives, or is announced for a later day. */
export interface CreateBatch {
  readonly type: 'CreateBatch';
  readonly reference: string;
  readonly sku: string;
  /** From 0 to 2^53 - 1. */
  readonly quantity: number;
  /** The day on which the batch arrives, `YYYY-MM-DD`. Null or absent: the batch is in stock. */
  readonly eta?: string | null;
}

/** One line of an order: what the order wants of one product. */
export interface OrderLine {
  readonly sku: string;
  /** From 1 to 2^53 - 1. */
  readonly qty: number;
}

/** An order asks for stock: either one line, or `lines` with each sku once. */
export type AllocateOrder =
  | ({ readonly type: 'AllocateOrder'; readonly orderid: string } & OrderLine)
  | {
      readonly type: 'AllocateOrder';
      readonly orderid: string;
      readonly lines: readonly OrderLine[];
    };

/** A batch has another quantity than the service knows. Lines that no longer fit are let go. */
export interface ChangeBatchQuantity {
  readonly type: 'ChangeBatchQuantity';
  readonly reference: string;
  /** From 0 to 2^53 - 1. */
  readonly quantity: number;
}

/** An order no longer needs its stock. */
export interface DeallocateOrder {
  readonly type: 'DeallocateOrder';
  readonly orderid: string;
  /** Lets only the line of this sku go. Absent: lets all lines go. */
  readonly sku?: string;
}

export type Command = CreateBatch | AllocateOrder | ChangeBatchQuantity | DeallocateOrder;
export type CommandType = Command['type'];

/** The fields of a command, without its type. */
export type CommandData<T extends CommandType> = DistributiveOmit<
  Extract<Command, { readonly type: T }>,
  'type'
>;
type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A command in its envelope: a CloudEvent 1.0. The same source and id mean the same command. */
export interface CommandEvent<T extends CommandType = CommandType> {
  readonly specversion: '1.0';
  readonly id: string;
  readonly source: string;
  readonly type: T;
  readonly datacontenttype: 'application/json';
  /** Names the version of the data. */
  readonly dataschema: string;
  /** Comes back on every event of the answer. Absent: the id does. */
  readonly correlationid?: string;
  /** W3C Trace Context, which the service continues. */
  readonly traceparent?: string;
  readonly data: CommandData<T>;
}
