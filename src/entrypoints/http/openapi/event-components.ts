import { z } from 'zod';
import { type JsonSchema, messageSchemas } from '../../../contract/json-schemas.ts';
import { insideEvent } from '../../../messages/event-attributes.ts';
import { dataschemaOf } from '../../../messages/versions.ts';
import { toJsonSchema } from './json-schema.ts';

const event = insideEvent.extend({
  id: z.string().min(1).describe('the same whenever the event comes: drop repeats by it'),
});

/** A keyword of JSON Schema. Written as a property, the lint takes it for that of a promise. */
const THEN = 'then';

/** An event in an answer: a structured CloudEvent. The document has it once, as a component. */
export const structuredEvent = event.meta({ component: 'Event' });

/**
 * The schemas of the data of events, one for each version, and of the CloudEvent around them. The
 * event is open: its data fit the schema that `dataschema` names, and may be of a newer type.
 */
export function eventComponents(): Readonly<Record<string, JsonSchema>> {
  const events = messageSchemas()
    .filter(({ kind }) => kind === 'event')
    .map((each) => ({ ...each, name: `${each.type}-${each.version}` }));
  const data = events.map(({ name, schema }) => [name, toJsonSchema(schema)] as const);
  return {
    ...Object.fromEntries(data),
    Event: {
      description: 'An event as a structured CloudEvent',
      ...toJsonSchema(event),
      allOf: events.map(({ type, version, name }) => ({
        if: {
          properties: { dataschema: { const: dataschemaOf(type, version) } },
          required: ['dataschema'],
        },
        [THEN]: { properties: { data: { $ref: `#/components/schemas/${name}` } } },
      })),
    },
  };
}
