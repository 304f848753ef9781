import { z } from 'zod';

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Converts what a caller may send, or what an answer has at least: answers may gain fields. */
export function toJsonSchema(schema: z.ZodType | JsonSchema): JsonSchema {
  if (!(schema instanceof z.ZodType)) return schema;
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    // The format of a date says what its pattern says.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format === 'date') delete jsonSchema.pattern;
    },
  });
  return json;
}
