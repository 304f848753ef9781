import { z } from 'zod';
import type { Command } from '../domain/commands.ts';
import { CLOUD_EVENT_TYPE } from '../messages/cloud-events.ts';
import {
  binaryHeaders,
  plainAttributes,
  plainHeaders,
  structuredAttributes,
  structuredHeaders,
} from '../messages/command-envelopes.ts';
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
import { COMMAND_EXAMPLES } from './examples.ts';
import type { MessageSchema } from './json-schemas.ts';

const KEYS: Readonly<Record<Command['type'], string>> = {
  CreateBatch: 'The sku.',
  AllocateOrder: 'The sku. For an order of several skus: the orderid.',
  ChangeBatchQuantity: 'The sku of the batch.',
  DeallocateOrder: 'The key with which the order was allocated.',
};
const JSON_TYPE = 'application/json';
const HEADER_ID = { location: '$message.header#/ce_correlationid' };

/** Describes a command in the three forms of a message. */
export function commandMessages(command: MessageSchema): DescribedMessages {
  const name = formName(command);
  return {
    [name]: binaryForm(command),
    [`${name}.structured`]: structuredForm(command),
    [`${name}.plain`]: plainForm(command),
  };
}

function binaryForm(command: MessageSchema): DescribedMessage {
  const headers = binaryHeaders.extend({
    ce_type: z.literal(command.type),
    ce_dataschema: dataschemaIn(command).optional(),
  });
  const { specversion, id, source, type } = attributesOf(command);
  const example = { ce_specversion: specversion, ce_id: id, ce_source: source, ce_type: type };
  return {
    ...shared(command, 'a CloudEvent in binary mode', JSON_TYPE),
    headers: inDocument(headers),
    payload: dataOf(command),
    correlationId: HEADER_ID,
    examples: examplesOf(command).map((data) => ({ headers: example, payload: data })),
  };
}

function structuredForm(command: MessageSchema): DescribedMessage {
  const payload = structuredAttributes.extend({
    type: z.literal(command.type),
    dataschema: dataschemaIn(command).optional(),
    data: command.schema,
  });
  const headers = { 'content-type': CLOUD_EVENT_TYPE };
  return {
    ...shared(command, 'a CloudEvent in structured mode', CLOUD_EVENT_TYPE),
    headers: inDocument(structuredHeaders),
    payload: inDocument(payload),
    correlationId: { location: '$message.payload#/correlationid' },
    examples: examplesOf(command).map((data) => {
      return { headers, payload: { ...attributesOf(command), data } };
    }),
  };
}

function plainForm(command: MessageSchema): DescribedMessage {
  const attributes = plainAttributes.extend({
    type: z.literal(command.type),
    dataschema: dataschemaIn(command).optional(),
  });
  return {
    ...shared(command, 'plain JSON', JSON_TYPE),
    headers: inDocument(plainHeaders),
    payload: { ...inDocument(attributes), allOf: [dataOf(command)] },
    correlationId: HEADER_ID,
    examples: examplesOf(command).map((data) => {
      const { type, id } = attributesOf(command);
      return { headers: {}, payload: { type, id, ...data } };
    }),
  };
}

function shared(command: MessageSchema, form: string, contentType: string) {
  return {
    name: command.type,
    title: `${command.type}, version ${command.version}, as ${form}`,
    summary: summaryOf(command),
    contentType,
    bindings: keyBinding(KEYS[command.type as Command['type']]),
  };
}

/** Only the newest version has examples: senders of today have no reason to send an older one. */
function examplesOf({ type, isNewest }: MessageSchema): readonly object[] {
  return isNewest ? COMMAND_EXAMPLES[type as Command['type']] : [];
}

function attributesOf({ type }: MessageSchema) {
  return { specversion: '1.0', id: `cmd-${type}`, source: '/shop', type };
}
