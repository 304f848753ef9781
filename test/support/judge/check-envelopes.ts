import type { LaneCommand, Message, PartAttributes } from './evidence.ts';
import type { Rule } from './rule.ts';
import type { Report, ViolationKind } from './violations.ts';

const SOURCE = '/allocation';
/** Every event type is still in its first version. */
const schemaOf = (type: unknown) => `/allocation/schemas/${type}/1`;

/**
 * Checks that each message of an answer has the key and the attributes that the contract promises.
 */
export const checkEnvelopes: Rule = ({ commands }, report) => {
  for (const command of commands) {
    for (const message of command.answer?.messages ?? []) {
      checkMessage(command, message, report);
      checkParts(command, message, report);
    }
  }
};

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
}

function checkParts(command: LaneCommand, message: Message, report: Report): void {
  for (const [index, part] of message.parts.entries()) {
    if (part.time !== message.record.headers.ce_time)
      report(
        'wrong-envelope',
        `${command.place}, part ${index + 1}: its time differs from the message`,
      );
    checkAttributes(command, part, subjectOf(message.events[index] ?? {}), part.type, report);
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
  const check = (kind: ViolationKind, name: string, expected: unknown) => {
    if (found[name] !== expected)
      report(kind, `${place}, ${found.id}: ${name} is ${found[name]} instead of ${expected}`);
  };
  check('wrong-id', 'causationid', id);
  // A former release wrote neither attribute.
  if (found.causationsource !== undefined || found.causationform !== undefined) {
    check('wrong-id', 'causationsource', source ?? undefined);
    check('wrong-id', 'causationform', source === null ? (isPlace ? 'place' : 'id') : undefined);
  }
  check('wrong-correlation', 'correlationid', correlationId);
  check('wrong-trace', 'traceparent', traceparent ?? undefined);
  check('wrong-dataschema', 'dataschema', schemaOf(type));
  check('wrong-subject', 'subject', subject);
  check('wrong-envelope', 'source', SOURCE);
  check('wrong-envelope', 'specversion', '1.0');
}

/**
 * Returns the product that the event is about. A rejection may know only the batch or the order.
 */
function subjectOf({ sku, reference, orderid }: Readonly<Record<string, unknown>>): unknown {
  return sku ?? reference ?? orderid;
}
