import { parse } from 'yaml';
import { z } from 'zod';
import { AllocationError } from '../domain/errors.ts';
import type { AsyncApiDocument } from './asyncapi.ts';
import type { DescribedMessage } from './described-message.ts';
import type { JsonSchema } from './json-schemas.ts';
import { resolved } from './references.ts';

/** A message of a document, with its references resolved. */
export interface ReadMessage {
  readonly contentType: string;
  readonly headers: JsonSchema;
  readonly payload: JsonSchema;
  /** Says what the key of the record is, in the words of the document. */
  readonly key: string;
}

/** The text is not a document of this service's contract. */
export class DocumentError extends AllocationError {
  override readonly code = 'invalid-document';
}

const reference = z.object({ $ref: z.string() });
const schema = z.record(z.string(), z.unknown());
const keyBinding = z.looseObject({
  kafka: z.looseObject({ key: z.looseObject({ description: z.string() }) }),
});
/** Names the release that a document describes. */
export const info = z.looseObject({ version: z.string().regex(/^\d+\.\d+\.\d+/) });
const document = z.looseObject({
  asyncapi: z.string().startsWith('3.'),
  info,
  channels: z.record(
    z.string(),
    z.looseObject({ address: z.string().nullable(), messages: z.record(z.string(), reference) }),
  ),
  operations: z.record(z.string(), z.looseObject({ action: z.string(), channel: reference })),
  components: z.looseObject({
    messages: z.record(
      z.string(),
      z.looseObject({ contentType: z.string(), headers: schema, payload: schema }),
    ),
    schemas: z.record(z.string(), schema),
  }),
});

/**
 * Reads a document that `npm run contract` of any release wrote, as YAML or JSON.
 *
 * @throws {DocumentError} the text is something else
 */
export function readDocument(text: string): AsyncApiDocument {
  return readAsyncApi(parseDocument(text));
}

/**
 * Parses a document, as YAML or JSON.
 *
 * @throws {DocumentError} the text is neither
 */
export function parseDocument(text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new DocumentError(`It is not YAML: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Reads a document of AsyncAPI.
 *
 * @throws {DocumentError} the value is something else
 */
export function readAsyncApi(value: unknown): AsyncApiDocument {
  const checked = document.safeParse(value);
  if (checked.success) return checked.data as unknown as AsyncApiDocument;
  const [issue] = checked.error.issues;
  throw new DocumentError(
    `It is not the contract/asyncapi.yaml of a release: ${issue?.path.join('.')} ${issue?.message}`,
  );
}

/** Returns the messages of a channel, by the names of their forms. */
export function readMessages(
  document: AsyncApiDocument,
  channel: string,
): ReadonlyMap<string, ReadMessage> {
  const { channels, components } = document;
  const names = Object.keys(channels[channel]?.messages ?? {});
  const read = ({ contentType, headers, payload, bindings }: DescribedMessage): ReadMessage => ({
    contentType,
    key: keyBinding.safeParse(bindings).data?.kafka.key.description ?? 'not described',
    headers: resolved(headers, document) as JsonSchema,
    payload: resolved(payload, document) as JsonSchema,
  });
  return new Map(
    names.flatMap((name) => {
      const message = components.messages[name];
      return message ? [[name, read(message)]] : [];
    }),
  );
}
