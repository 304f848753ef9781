import { z } from 'zod';
import { dataschemaOf } from '../messages/versions.ts';
import type { ExampleRecord } from './examples.ts';
import { asJsonSchema, type JsonSchema, type MessageSchema } from './json-schemas.ts';

/** A message as the AsyncAPI document has it. */
export interface DescribedMessage {
  /** The type. */
  readonly name: string;
  readonly title: string;
  readonly summary: string;
  readonly contentType: string;
  readonly headers: JsonSchema;
  readonly payload: JsonSchema;
  readonly correlationId?: { readonly location: string };
  readonly bindings: object;
  readonly examples: readonly ExampleRecord[];
}

/** Messages by the name of their form, such as `Allocated.v1`. */
export type DescribedMessages = Readonly<Record<string, DescribedMessage>>;

/** Names a type in one version, for the document. */
export function formName({ type, version }: Pick<MessageSchema, 'type' | 'version'>): string {
  return `${type}.v${version}`;
}

/** Refers to the data of a message, which the document has once. */
export function dataOf(message: MessageSchema): JsonSchema {
  return { $ref: `#/components/schemas/${formName(message)}` };
}

/** Makes a schema for the document. AsyncAPI's own schemas are a superset of draft 7. */
export function inDocument(schema: z.ZodType): JsonSchema {
  const { $schema: _, ...rest } = asJsonSchema(schema, 'draft-07');
  return rest;
}

/** Returns what the data of a message says about itself. */
export function summaryOf({ schema }: MessageSchema): string {
  return String(asJsonSchema(schema).description);
}

/** The `dataschema` of a message. */
export function dataschemaIn({ type, version }: MessageSchema) {
  return z.literal(dataschemaOf(type, version));
}

/** Says what the key of the record is. */
export function keyBinding(description: string): object {
  return { kafka: { key: { type: 'string', description }, bindingVersion: '0.5.0' } };
}
