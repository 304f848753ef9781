import { z } from 'zod';
import { commandVersions } from '../messages/command-schemas.ts';
import { compositeSchema, eventSchemas } from '../messages/event-schemas.ts';
import { compositeVersions, eventVersions } from '../messages/event-versions.ts';
import {
  formerOperatorActed,
  OPERATOR_ACTED,
  OPERATOR_ACTED_VERSION,
  operatorActed,
} from '../messages/operator-acts.ts';
import { dataschemaOf, type Versions } from '../messages/versions.ts';

/** A JSON Schema, or a part of one. */
export type JsonSchema = { readonly [keyword: string]: unknown };

/** A type of message in one version. */
export interface MessageSchema {
  readonly kind: 'command' | 'event' | 'audit';
  readonly type: string;
  readonly version: number;
  /** Whether the type has no newer version. */
  readonly isNewest: boolean;
  /** The data of the message. */
  readonly schema: z.ZodType;
}

const operatorActedVersions = { current: OPERATOR_ACTED_VERSION, former: formerOperatorActed };

/** Lists every version of every type of message: commands first, the oldest version first. */
export function messageSchemas(): readonly MessageSchema[] {
  return [
    ...Object.entries<Versions<z.ZodType>>(commandVersions).flatMap(([type, versions]) =>
      versionsOf('command', type, versions, versions.schema),
    ),
    ...Object.entries(eventSchemas).flatMap(([type, schema]) =>
      versionsOf('event', type, eventVersions[type as keyof typeof eventSchemas], schema),
    ),
    ...versionsOf('event', 'CompositeDomainEvent', compositeVersions, compositeSchema),
    ...versionsOf('audit', OPERATOR_ACTED, operatorActedVersions, operatorActed),
  ];
}

function versionsOf(
  kind: MessageSchema['kind'],
  type: string,
  { current, former = {} }: Pick<Versions<unknown>, 'current' | 'former'>,
  newest: z.ZodType,
): readonly MessageSchema[] {
  return [
    ...Object.entries(former).map(([version, schema]) => {
      return { kind, type, version: Number(version), isNewest: false, schema };
    }),
    { kind, type, version: current, isNewest: true, schema: newest },
  ];
}

/** Makes the JSON Schema of a message's data, as the URI in `$id` serves it. */
export function publishedSchema({ type, version, schema }: MessageSchema): JsonSchema {
  const { $schema, ...rest } = asJsonSchema(schema);
  return { $schema, $id: dataschemaOf(type, version), title: type, ...rest };
}

/**
 * Turns a zod schema into JSON Schema. The result is open: it accepts fields that it does not name,
 * because consumers must accept them, too.
 */
export function asJsonSchema(
  schema: z.ZodType,
  target: 'draft-2020-12' | 'draft-07' = 'draft-2020-12',
): JsonSchema {
  // The input of a schema is what goes over the wire. The output has defaults and other shapes.
  return z.toJSONSchema(schema, { io: 'input', target });
}
