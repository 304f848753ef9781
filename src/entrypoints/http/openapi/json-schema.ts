import { z } from 'zod';
import type { JsonSchema } from '../../../contract/json-schemas.ts';

/**
 * Converts the schema of what a caller may send, or of what an answer has at least. A schema whose
 * metadata names a `component` of the document becomes a reference to that component.
 */
export function toJsonSchema(schema: z.ZodType | JsonSchema): JsonSchema {
  if (!(schema instanceof z.ZodType)) return schema;
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    // The pattern of a date repeats its format.
    override: ({ jsonSchema }) => {
      if (jsonSchema.format === 'date') delete jsonSchema.pattern;
      const { component } = jsonSchema;
      if (component === undefined) return;
      for (const keyword of Object.keys(jsonSchema)) delete jsonSchema[keyword];
      jsonSchema.$ref = `#/components/schemas/${component}`;
    },
  });
  return json;
}
