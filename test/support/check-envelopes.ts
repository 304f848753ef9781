import type { LaneCommand, Message, Report } from './check-history.ts';

/** The origin that a command states, and that its answer must repeat. */
export interface Origin {
  readonly id: string;
  /**
   * Two commands with one identity are the same command. The identity is source and id, or the id
   * alone, or the place.
   */
  readonly identity: string;
  /** The source of a CloudEvent. Null: the command is plain JSON. */
  readonly source: string | null;
  /** Whether the place of the command serves as its id. */
  readonly isPlace: boolean;
  readonly correlationId: string;
  /** Null: the command has none that is valid. */
  readonly traceparent: string | null;
}

/** The attributes of one part of a composite, by name. */
export type PartAttributes = Readonly<Record<string, unknown>>;

const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const SOURCE = '/allocation';
/** Every event type is still in its first version. */
const SCHEMA = (type: unknown) => `/allocation/schemas/${type}/1`;

type Named = Pick<Origin, 'id' | 'source' | 'isPlace'>;

const REDRIVEN_PLACE = /^\/allocation\/dead-letters(?:#[0-9a-f]{64})?\t([^/]+\/\d+\/\d+)$/;

/**
 * Returns the identity that the service has kept. A command that was redriven has the identity of
 * its first place.
 */
export function identityIn(kept: string): string {
  return kept.replace(REDRIVEN_PLACE, '\t$1');
}

/** Returns the identity by which a former release knew a command: its id alone. */
export function formerIdentity(id: string): string {
  return `\t\t${id}`;
}

function identityOf({ id, source, isPlace }: Named): string {
  return identityIn(isPlace ? `\t${id}` : source === null ? id : `${source}\t${id}`);
}

/** Returns the identity of the command that an event answers, from the headers of the event. */
export function identityAnswered({
  ce_causationid: id = '',
  ce_causationsource: source,
  ce_causationform: form,
}: Headers): string {
  if (source === undefined && form === undefined) return formerIdentity(id);
  return identityOf({ id, source: source ?? null, isPlace: form === 'place' });
}

type Headers = Readonly<Record<string, string>>;

/**
 * Returns the origin that a command states.
 * @param event the whole CloudEvent, in structured mode
 */
export function originOf(
  { id, source, isPlace }: Named,
  headers: Headers,
  event: Readonly<Record<string, unknown>> = {},
): Origin {
  const traces = [
    event.traceparent,
    headers.traceparent,
    headers.ce_specversion === undefined ? null : headers.ce_traceparent,
  ];
  const traceparent =
    traces.find((each): each is string => typeof each === 'string' && TRACEPARENT.test(each)) ??
    null;
  const correlationId =
    event.specversion === undefined ? headers.ce_correlationid : event.correlationid;
  const identity = identityOf({ id, source, isPlace });
  return {
    id,
    identity,
    source,
    isPlace,
    correlationId: typeof correlationId === 'string' ? correlationId : id,
    traceparent,
  };
}

/** Returns the attributes of a part of a composite, without its data. */
export function attributesOf({ data: _, ...attributes }: PartAttributes): PartAttributes {
  return attributes;
}

/**
 * Checks that each message of an answer has the key and the attributes that the contract promises.
 */
export function checkEnvelopes(commands: readonly LaneCommand[], report: Report): void {
  for (const command of commands)
    for (const message of command.answer?.messages ?? []) checkMessage(command, message, report);
}

function checkMessage(command: LaneCommand, message: Message, report: Report): void {
  const { key, headers } = message.record;
  const isComposite = message.partIds !== null;
  const { orderid } = command.body;
  const subject =
    isComposite && orderid !== undefined ? orderid : subjectOf(message.events[0] ?? {});
  if (key !== subject) report('wrong-key', `${command.place}: ${key} instead of ${subject}`);
  const attributes: Record<string, unknown> = { traceparent: headers.traceparent };
  for (const [name, text] of Object.entries(headers))
    if (name.startsWith('ce_')) attributes[name.slice('ce_'.length)] = text;
  if (headers['content-type'] !== 'application/json')
    report('wrong-envelope', `${command.place}: content-type is ${headers['content-type']}`);
  checkAttributes(command, attributes, subject, headers.ce_type, report);
  for (const [index, part] of message.parts.entries()) {
    const event = message.events[index] ?? {};
    if (part.time !== headers.ce_time)
      report(
        'wrong-envelope',
        `${command.place}, part ${index + 1}: its time differs from the message`,
      );
    checkAttributes(command, part, subjectOf(event), part.type, report);
  }
}

function checkAttributes(
  command: LaneCommand,
  found: PartAttributes,
  subject: unknown,
  type: unknown,
  report: Report,
): void {
  const { place, id, source, isPlace, correlationId, traceparent } = command;
  const told = `${place}, ${String(found.id)}`;
  const ask = (kind: Parameters<Report>[0], name: string, expected: unknown) => {
    if (found[name] !== expected)
      report(kind, `${told}: ${name} is ${found[name]} instead of ${expected}`);
  };
  ask('wrong-id', 'causationid', id);
  // A former release wrote neither attribute.
  if (found.causationsource !== undefined || found.causationform !== undefined) {
    ask('wrong-id', 'causationsource', source ?? undefined);
    ask('wrong-id', 'causationform', source === null ? (isPlace ? 'place' : 'id') : undefined);
  }
  ask('wrong-correlation', 'correlationid', correlationId);
  ask('wrong-trace', 'traceparent', traceparent ?? undefined);
  ask('wrong-dataschema', 'dataschema', SCHEMA(type));
  ask('wrong-subject', 'subject', subject);
  ask('wrong-envelope', 'source', SOURCE);
  ask('wrong-envelope', 'specversion', '1.0');
}

/**
 * Returns the product that the event is about. A rejection may know only the batch or the order.
 */
function subjectOf({ sku, reference, orderid }: Readonly<Record<string, unknown>>): unknown {
  return sku ?? reference ?? orderid;
}
