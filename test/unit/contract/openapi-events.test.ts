import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { messageSchemas } from '../../../src/contract/json-schemas.ts';
import { openApi } from '../../../src/contract/openapi.ts';
import { asStructuredEvent, structuredEventsOf } from '../../../src/messages/structured-events.ts';
import { messagesOfToday } from '../../support/messages-of-today.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test reaches into every part.
const document: any = JSON.parse(JSON.stringify(await openApi()));
const ajv = new Ajv2020({ strict: false, validateFormats: false });
ajv.addSchema({ $id: 'api', components: document.components });
const fits = ajv.compile({ $ref: 'api#/components/schemas/Event' });

const records = messagesOfToday()
  .filter(({ topic }) => topic === 'events')
  .map(({ value, headers }) => ({ value: Buffer.from(value ?? ''), headers }));
const [first = {}] = records.flatMap(structuredEventsOf);

describe('An event in the document of OpenAPI', () => {
  it('has a schema of the data of each type and version', () => {
    const names = messageSchemas()
      .filter(({ kind }) => kind === 'event')
      .map(({ type, version }) => `${type}-${version}`);
    expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(names));
  });

  it('is what the answer to a command has', () => {
    const { schema } =
      document.paths['/commands/{id}'].get.responses['200'].content['application/json'];
    const answered = schema.oneOf.find(
      (each: { properties: object }) => 'events' in each.properties,
    );
    expect(answered.properties.events.items).toEqual({ $ref: '#/components/schemas/Event' });
  });

  it('may be every event of today, alone and in a composite', () => {
    for (const event of records.flatMap((each) => [
      ...structuredEventsOf(each),
      asStructuredEvent(each),
    ]))
      expect(fits(event), ajv.errorsText(fits.errors)).toBe(true);
  });

  it('may have further attributes and fields, or a newer type', () => {
    const data = { ...(first as { data: object }).data, added: 1 };
    expect(fits({ ...first, data, shop: 'north' })).toBe(true);
    const dataschema = '/allocation/schemas/Shipped/7';
    expect(fits({ ...first, type: 'Shipped', dataschema, data: { parcel: 1 } })).toBe(true);
  });

  it('must have the data of the schema that it names', () => {
    const { data } = first as { data: object };
    expect(fits({ ...first, data: { ...data, sku: 7 } })).toBe(false);
  });
});
