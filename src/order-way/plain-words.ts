import type { Command } from '../domain/commands.ts';
import { TIME } from '../messages/event-attributes.ts';

/** How many lines of an order are named. */
const MAX_LINES_NAMED = 5;

interface CommandWords {
  readonly sku: string | null;
  readonly batchref: string | null;
  readonly details: string;
}

const commandWords: {
  readonly [T in Command['type']]: (command: Extract<Command, { type: T }>) => CommandWords;
} = {
  CreateBatch: ({ reference, sku, quantity }) => {
    return { sku, batchref: reference, details: `${reference} brings ${quantity} of ${sku}` };
  },
  AllocateOrder: ({ lines }) => {
    const named = lines.slice(0, MAX_LINES_NAMED).map(({ qty, sku }) => `${qty} of ${sku}`);
    const more = lines.length - named.length;
    const [first] = lines;
    return {
      sku: first && lines.length === 1 ? first.sku : null,
      batchref: null,
      details: `wants ${named.join(', ')}${more > 0 ? ` and ${more} more lines` : ''}`,
    };
  },
  ChangeBatchQuantity: ({ reference, quantity }) => {
    return { sku: null, batchref: reference, details: `${reference} has ${quantity} now` };
  },
  DeallocateOrder: ({ sku }) => {
    const details = sku === null ? 'lets all lines go' : `lets the line of ${sku} go`;
    return { sku, batchref: null, details };
  },
};

/** Says in a few words what a command asks for. */
export function commandInWords(command: Command): CommandWords {
  return (commandWords[command.type] as (command: Command) => CommandWords)(command);
}

/** An event of the events topic, as far as anybody can read it. */
export interface OrderEvent {
  readonly id: string | null;
  readonly type: string | null;
  readonly time: string | null;
  readonly causationid: string | null;
  readonly sequence: number | null;
  readonly orderid: string | null;
  readonly sku: string | null;
  readonly batchref: string | null;
  readonly data: Readonly<Record<string, unknown>>;
}

/** Reads a structured CloudEvent. An attribute or a field of another type counts as absent. */
export function eventOf(event: object): OrderEvent {
  const { id, type, time, causationid, sequence, data } = event as Record<string, unknown>;
  const fields = Object(data) as Readonly<Record<string, unknown>>;
  const timeText = textOf(time);
  return {
    id: textOf(id),
    type: textOf(type),
    time: timeText !== null && isTime(timeText) ? timeText : null,
    causationid: textOf(causationid),
    sequence: /^\d{1,15}$/.test(String(sequence)) ? Number(sequence) : null,
    orderid: textOf(fields.orderid),
    sku: textOf(fields.sku),
    batchref: textOf(fields.batchref),
    data: fields,
  };
}

/** Says in a few words what an event tells. */
export function eventInWords({ type, sku, batchref, data }: OrderEvent): string {
  const line = `${data.qty} of ${sku}`;
  switch (type) {
    case 'Allocated':
      return `${line} from ${batchref}`;
    case 'AlreadyAllocated':
      return `${line} came from ${batchref} before`;
    case 'Deallocated':
      return `${line} back to ${batchref}`;
    case 'OutOfStock':
      return `no batch has ${line} left`;
    case 'CommandRejected':
      return String(data.detail);
    default:
      return sku === null ? '' : `about ${sku}`;
  }
}

function isTime(text: string): boolean {
  return TIME.test(text) && !Number.isNaN(Date.parse(text));
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
