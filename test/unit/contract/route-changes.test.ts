import { expect, it } from 'vitest';
import { compareApis, readApi } from '../../../src/contract/api-changes.ts';
import { dueLevel } from '../../../src/contract/due-version.ts';
import { openApi } from '../../../src/contract/openapi.ts';

/** A document that a test may change anywhere. */
// biome-ignore lint/suspicious/noExplicitAny: a test reaches into every part.
type Editable = any;

const today = JSON.stringify(await openApi());
const former = readApi(JSON.parse(today));
const listOf = (document: Editable) => document.paths['/orders'].get;
const parameterOf = (document: Editable, name: string) =>
  listOf(document).parameters.find((each: Editable) => each.name === name);
const bodyOf = ({ paths }: Editable) =>
  paths['/lanes/{partition}/pause'].post.requestBody.content['application/json'].schema;
/** Returns the schema of the answer 200 to `GET`. */
const answerOf = ({ paths }: Editable, path: string) =>
  paths[path].get.responses['200'].content['application/json'].schema;

interface Planted {
  readonly what: string;
  readonly edit: (document: Editable) => void;
  readonly due: 'major' | 'minor';
  readonly changes: readonly string[];
}

const planted: readonly Planted[] = [
  {
    what: 'a role that may do more',
    edit: (document) => {
      listOf(document).security = [{ bearer: ['publish'] }];
    },
    due: 'major',
    changes: ['breaks GET /orders the role of the caller: without the value read'],
  },
  {
    what: 'no role any more',
    edit: (document) => {
      delete listOf(document).security;
    },
    due: 'minor',
    changes: ['adds GET /orders the role of the caller: with the value others'],
  },
  {
    what: 'an answer that loses a field',
    edit: (document) => {
      delete answerOf(document, '/products/{sku}').properties.version;
    },
    due: 'major',
    changes: [
      'breaks GET /products/{sku} the answer 200 as application/json: version: the field is gone',
    ],
  },
  {
    what: 'a field of an answer that has another type',
    edit: (document) => {
      answerOf(document, '/products/{sku}').properties.version = { type: 'string' };
    },
    due: 'major',
    changes: [
      'breaks GET /products/{sku} the answer 200 as application/json: version: ' +
        'without the type integer, with the type string',
      'breaks GET /products/{sku} the answer 200 as application/json: version: minimum was 0, is absent',
      'breaks GET /products/{sku} the answer 200 as application/json: version: maximum was 9007199254740991, is absent',
    ],
  },
  {
    what: 'a field in a list of an answer that may be absent now',
    edit: (document) => {
      answerOf(document, '/orders').properties.orders.items.required = [];
    },
    due: 'major',
    changes: [
      'breaks GET /orders the answer 200 as application/json: orders[].orderid: the field is optional now',
    ],
  },
  {
    what: 'a new field of an answer, even a required one',
    edit: (document) => {
      const schema = answerOf(document, '/products/{sku}');
      schema.properties.warehouse = { type: 'string' };
      schema.required.push('warehouse');
    },
    due: 'minor',
    changes: [
      'adds GET /products/{sku} the answer 200 as application/json: warehouse: a new required field',
    ],
  },
  {
    what: 'a field that two kinds of an answer lose',
    edit: (document) => {
      const [, answered, dead] = answerOf(document, '/commands/{id}').oneOf;
      delete answered.properties.advice;
      delete dead.properties.advice;
    },
    due: 'major',
    changes: [
      'breaks GET /commands/{id} the answer 200 as application/json: advice: the field is gone',
    ],
  },
  {
    what: 'a new kind of an answer',
    edit: (document) => {
      answerOf(document, '/commands/{id}').oneOf.push({ type: 'object' });
    },
    due: 'major',
    changes: ['breaks GET /commands/{id} the answer 200 as application/json: one more alternative'],
  },
  {
    what: 'an event in an answer that loses a field',
    edit: ({ components }) => {
      delete components.schemas['Allocated-1'].properties.batchref;
    },
    due: 'major',
    changes: [
      'breaks POST /commands the answer 200 as application/json: events[].data.batchref: the field is gone',
      'breaks GET /commands/{id} the answer 200 as application/json: events[].data.batchref: the field is gone',
      'breaks GET /commands/{topic}/{partition}/{offset} ' +
        'the answer 200 as application/json: events[].data.batchref: the field is gone',
    ],
  },
  {
    what: 'a new version of an event in an answer',
    edit: ({ components }) => {
      const [first] = components.schemas.Event.allOf;
      const next = structuredClone(first);
      next.if.properties.dataschema.const = '/allocation/schemas/BatchCreated/2';
      components.schemas.Event.allOf.unshift(next);
    },
    due: 'minor',
    changes: [
      'adds POST /commands the answer 200 as application/json: events[]: one more part',
      'adds GET /commands/{id} the answer 200 as application/json: events[]: one more part',
      'adds GET /commands/{topic}/{partition}/{offset} the answer 200 as application/json: events[]: one more part',
    ],
  },
  {
    what: 'an answer of another media type',
    edit: (document) => {
      const { content } = listOf(document).responses['200'];
      content['text/csv'] = content['application/json'];
      delete content['application/json'];
    },
    due: 'major',
    changes: [
      'breaks GET /orders the answer 200 as application/json is gone',
      'adds GET /orders the answer 200 as text/csv is new',
    ],
  },
  {
    what: 'an answer without a header, and with another one',
    edit: (document) => {
      const { headers } = listOf(document).responses['200'];
      headers.age = headers.etag;
      delete headers.etag;
    },
    due: 'major',
    changes: [
      'breaks GET /orders the header etag of the answer 200 is gone',
      'adds GET /orders the header age of the answer 200 is new',
    ],
  },
  {
    what: 'a new required field of a body',
    edit: (document) => {
      const schema = bodyOf(document);
      schema.properties.until = { type: 'string' };
      schema.required.push('until');
    },
    due: 'major',
    changes: [
      'breaks POST /lanes/{partition}/pause the body as application/json: until: a new required field',
    ],
  },
  {
    what: 'a new optional field of a body',
    edit: (document) => {
      const schema = bodyOf(document);
      schema.properties.until = { type: 'string' };
    },
    due: 'minor',
    changes: [
      'adds POST /lanes/{partition}/pause the body as application/json: until: a new optional field',
    ],
  },
  {
    what: 'a lower limit of a parameter',
    edit: (document) => {
      parameterOf(document, 'limit').schema.maximum = 10;
    },
    due: 'major',
    changes: ['breaks GET /orders the parameter limit in query: maximum was 1000, is 10'],
  },
  {
    what: 'a higher limit of a parameter',
    edit: (document) => {
      parameterOf(document, 'limit').schema.maximum = 5000;
    },
    due: 'minor',
    changes: ['adds GET /orders the parameter limit in query: maximum was 1000, is 5000'],
  },
];

it.each(planted)('$what is found in a newer route', ({ edit, due, changes }) => {
  const document = JSON.parse(today);
  edit(document);
  const found = compareApis(former, readApi(document));
  expect(found.map(({ effect, where, text }) => `${effect} ${where} ${text}`)).toEqual(changes);
  expect(dueLevel(found)).toBe(due);
});

it('what many routes lose alike is named once', () => {
  const document = JSON.parse(today);
  delete document.components.schemas.Problem.properties.reason;
  const found = compareApis(former, readApi(document));
  const routes = Object.values<Editable>(document.paths).flatMap(Object.values).length;
  expect(found).toContainEqual({
    effect: 'breaks',
    where: `POST /commands and ${routes - 1} other routes`,
    text: 'the answer 403 as application/problem+json: reason: the field is gone',
    isAnnounced: false,
  });
  expect(found.every(({ effect }) => effect === 'breaks')).toBe(true);
});
