import { z } from 'zod';
import type { Event } from '../domain/events.ts';
import { deadLetterHeaders, markerHeaders } from '../messages/dead-letter-headers.ts';
import { eventHeaders } from '../messages/event-attributes.ts';
import { hasSequence } from '../messages/event-versions.ts';
import { actHeaders } from '../messages/operator-acts.ts';
import {
  type DescribedMessage,
  type DescribedMessages,
  dataOf,
  dataschemaIn,
  formName,
  inDocument,
  keyBinding,
  summaryOf,
} from './described-message.ts';
import {
  actExample,
  compositeExample,
  deadLetterExample,
  eventExamples,
  markerExample,
} from './examples.ts';
import type { MessageSchema } from './json-schemas.ts';

const JSON_TYPE = 'application/json';
const KEY_OF_EVENT = 'The sku. A rejection without an sku: the reference, else the orderid.';
const KEY_OF_COMPOSITE = "The orderid of an order's command, the sku of a batch's command.";

/** Describes an event or a composite. */
export function eventMessage(event: MessageSchema): DescribedMessages {
  const { type, version, isNewest } = event;
  const { ce_sequence, ...others } = eventHeaders.shape;
  const headers = z.object({
    ...others,
    ce_type: z.literal(type).describe('the type'),
    ce_dataschema: dataschemaIn(event).exactOptional().describe('type and version of the data'),
    ...(isCounted(type) && { ce_sequence: ce_sequence.unwrap().describe(textOf(ce_sequence)) }),
  });
  const examples = isComposite(type) ? [compositeExample()] : eventExamples(type as Event['type']);
  const message: DescribedMessage = {
    name: type,
    title: `${type}, version ${version}`,
    summary: summaryOf(event),
    contentType: JSON_TYPE,
    headers: inDocument(headers),
    payload: dataOf(event),
    correlationId: { location: '$message.header#/ce_correlationid' },
    bindings: keyBinding(isComposite(type) ? KEY_OF_COMPOSITE : KEY_OF_EVENT),
    examples: isNewest ? examples : [],
  };
  return { [formName(event)]: message };
}

function isComposite(type: string): boolean {
  return type === 'CompositeDomainEvent';
}

function isCounted(type: string): boolean {
  return !isComposite(type) && hasSequence[type as Event['type']];
}

function textOf(schema: z.ZodType): string {
  return schema.description ?? '';
}

/** Describes the records of the dead letters topic. */
export function deadLetterMessages(): DescribedMessages {
  return {
    DeadLetter: {
      name: 'DeadLetter',
      title: 'A message that could not be answered',
      summary: "The message's own value, its headers, and headers that say why.",
      contentType: 'application/octet-stream',
      headers: inDocument(deadLetterHeaders),
      payload: { description: 'The bytes of the message.' },
      bindings: keyBinding("The message's own key."),
      examples: [deadLetterExample()],
    },
    Marker: {
      name: 'Marker',
      title: 'Takes a dead letter off the list',
      summary: 'Somebody has redriven or discarded the letter. The first marker counts.',
      contentType: JSON_TYPE,
      headers: inDocument(markerHeaders),
      payload: { type: 'null', description: 'A marker has no value.' },
      bindings: keyBinding("The letter's key."),
      examples: [markerExample()],
    },
  };
}

/** Describes a record of the audit topic. */
export function actMessage(act: MessageSchema): DescribedMessages {
  const message: DescribedMessage = {
    name: act.type,
    title: `${act.type}, version ${act.version}`,
    summary: summaryOf(act),
    contentType: JSON_TYPE,
    headers: inDocument(actHeaders.extend({ ce_dataschema: dataschemaIn(act) })),
    payload: dataOf(act),
    bindings: keyBinding('The id of the act.'),
    examples: [actExample(act.version)],
  };
  return { [formName(act)]: message };
}
