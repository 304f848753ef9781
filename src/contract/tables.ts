import type { z } from 'zod';
import { deadLetterHeaders, markerHeaders } from '../messages/dead-letter-headers.ts';
import { DEAD_LETTER_REASONS } from '../messages/dead-letter-reasons.ts';
import { eventHeaders } from '../messages/event-attributes.ts';
import { hasSequence } from '../messages/event-versions.ts';
import { actHeaders, operatorActed } from '../messages/operator-acts.ts';
import { REJECTIONS } from '../messages/rejections.ts';
import { dataschemaOf } from '../messages/versions.ts';
import { channels } from './channels.ts';
import {
  asJsonSchema,
  type JsonSchema,
  type MessageSchema,
  messageSchemas,
} from './json-schemas.ts';
import { markdownTable } from './markdown.ts';

/** Makes the tables of docs/contract.md, by the names in its markers. */
export function contractTables(): ReadonlyMap<string, string> {
  return new Map([
    ['topics', topicTable()],
    ['commands', markdownTable(['type', 'fields'], newest('command').map(commandRow))],
    ['events', markdownTable(['type', 'data', '`ce_sequence`'], newest('event').map(eventRow))],
    ['rejections', rejectionTable()],
    ['rejection-advice', adviceTable('`reason`', REJECTIONS)],
    ['event-headers', fieldTable('header', eventHeaders)],
    ['dead-letter-reasons', deadLetterTable()],
    ['dead-letter-advice', adviceTable('`reason`', DEAD_LETTER_REASONS)],
    ['dead-letter-headers', fieldTable('header', furtherHeaders)],
    ['marker-headers', fieldTable('header', markerHeaders)],
    ['act-fields', fieldTable('field', operatorActed)],
    ['act-headers', fieldTable('header', actHeaders)],
    ['schemas', schemaTable()],
  ]);
}

/** The reasons have a table of their own. */
const furtherHeaders = deadLetterHeaders.omit({ 'dead-letter-reason': true });

const code = (text: string) => `\`${text}\``;

function newest(kind: MessageSchema['kind']): readonly MessageSchema[] {
  return messageSchemas().filter((each) => each.kind === kind && each.isNewest);
}

function topicTable(): string {
  const rows = channels().map(({ topic, holds, isNamed }) => [
    isNamed ? code(topic.name) : '`AUDIT_TOPIC`, if set',
    holds,
    `${topic.maxMessageBytes.toLocaleString('en')} bytes`,
  ]);
  return markdownTable(['topic', 'holds', 'largest message when created'], rows);
}

function commandRow({ type, schema }: MessageSchema): readonly string[] {
  const { properties, required = [], oneOf = [] } = asJsonSchema(schema) as FieldsOfData;
  const either = oneOf.map((branch) =>
    (branch.required ?? []).map((name) => fieldText(name, properties[name])).join(' and '),
  );
  const inBranches = new Set(oneOf.flatMap((branch) => branch.required ?? []));
  const optional = Object.keys(properties).filter(
    (name) => !required.includes(name) && !inBranches.has(name),
  );
  const parts = [
    ...required.map((name) => fieldText(name, properties[name])),
    ...(either.length > 0 ? [`and either ${either.join(', or ')}`] : []),
    ...optional.map((name) => `optional ${fieldText(name, properties[name])}`),
  ];
  return [code(type), parts.join(', ')];
}

/** The parts of an object's JSON Schema that name fields. */
type FieldsOfData = {
  readonly properties: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly oneOf?: readonly { readonly required?: readonly string[] }[];
};

/** Names a field, and what the things in a list have. */
function fieldText(name: string, schema: JsonSchema = {}): string {
  const items = schema.items as FieldsOfData | undefined;
  return code(items ? `${name}: [{${Object.keys(items.properties).join(', ')}}]` : name);
}

function eventRow({ type, schema }: MessageSchema): readonly string[] {
  if (type === 'CompositeDomainEvent')
    return [code(type), '`events`: several of the events above', 'inside'];
  const { properties, required = [] } = asJsonSchema(schema) as FieldsOfData;
  const names = Object.keys(properties).map((name) =>
    required.includes(name) ? name : `${name}?`,
  );
  const isCounted = hasSequence[type as keyof typeof hasSequence];
  return [code(type), code(names.join(', ')), isCounted ? 'yes' : 'no'];
}

function rejectionTable(): string {
  const rows = Object.entries(REJECTIONS).map(([reason, { meaning, ids }]) => {
    return [code(reason), meaning, ids];
  });
  return markdownTable(['`reason`', 'the command', 'ids'], rows);
}

function deadLetterTable(): string {
  const rows = Object.entries(DEAD_LETTER_REASONS).map(([reason, { meaning }]) => {
    return [code(reason), meaning];
  });
  return markdownTable(['`dead-letter-reason`', 'the message'], rows);
}

function adviceTable(
  title: string,
  table: Readonly<Record<string, { readonly advice: string }>>,
): string {
  const rows = Object.entries(table).map(([reason, { advice }]) => [code(reason), advice]);
  return markdownTable([title, 'what to do'], rows);
}

function fieldTable(title: string, { shape }: z.ZodObject): string {
  const rows = Object.entries(shape).map(([name, schema]) => {
    return [code(name), (schema as z.ZodType).description ?? ''];
  });
  return markdownTable([title, 'value'], rows);
}

function schemaTable(): string {
  const rows = messageSchemas().map(({ kind, type, version }) => {
    return [code(dataschemaOf(type, version)), `the data of ${KINDS[kind]}`];
  });
  return markdownTable(['`GET`', 'describes'], rows);
}

const KINDS: Readonly<Record<MessageSchema['kind'], string>> = {
  command: 'a command',
  event: 'an event',
  audit: 'an audit record',
};
