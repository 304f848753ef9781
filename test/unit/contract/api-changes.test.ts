import { expect, it } from 'vitest';
import { compareApis, readApi } from '../../../src/contract/api-changes.ts';
import { dueLevel } from '../../../src/contract/due-version.ts';
import { openApi } from '../../../src/contract/openapi.ts';
import { DocumentError } from '../../../src/contract/read-document.ts';

/** A document that a test may change anywhere. */
// biome-ignore lint/suspicious/noExplicitAny: a test reaches into every part.
type Editable = any;

const today = JSON.stringify(await openApi());
const former = readApi(JSON.parse(today));
const listOf = (document: Editable) => document.paths['/orders'].get;
const parameterOf = (document: Editable, name: string) =>
  listOf(document).parameters.find((each: Editable) => each.name === name);

interface Planted {
  readonly what: string;
  readonly edit: (document: Editable) => void;
  readonly due: 'major' | 'minor' | 'patch' | 'none';
  readonly changes: readonly string[];
}

const planted: readonly Planted[] = [
  { what: 'nothing', edit: () => {}, due: 'none', changes: [] },
  {
    what: 'other words',
    edit: (document) => {
      listOf(document).summary = 'Other words';
    },
    due: 'patch',
    changes: ['words document other words, examples or settings'],
  },
  {
    what: 'a route that is gone',
    edit: ({ paths }) => {
      delete paths['/orders'];
    },
    due: 'major',
    changes: ['breaks GET /orders the route is gone'],
  },
  {
    what: 'a new route',
    edit: (document) => {
      document.paths['/customers'] = { get: structuredClone(listOf(document)) };
    },
    due: 'minor',
    changes: ['adds GET /customers a new route'],
  },
  {
    what: 'a new parameter',
    edit: (document) => listOf(document).parameters.push({ name: 'shop', in: 'query' }),
    due: 'minor',
    changes: ['adds GET /orders the parameter shop in query is new'],
  },
  {
    what: 'a new required parameter',
    edit: (document) => {
      listOf(document).parameters.push({ name: 'shop', in: 'query', required: true });
    },
    due: 'major',
    changes: ['breaks GET /orders the parameter shop in query is required now'],
  },
  {
    what: 'a parameter that becomes required',
    edit: (document) => {
      parameterOf(document, 'search').required = true;
    },
    due: 'major',
    changes: ['breaks GET /orders the parameter search in query is required now'],
  },
  {
    what: 'a parameter that is gone',
    edit: (document) => {
      const { parameters } = listOf(document);
      parameters.splice(parameters.indexOf(parameterOf(document, 'search')), 1);
    },
    due: 'major',
    changes: ['breaks GET /orders the parameter search in query is gone'],
  },
  {
    what: 'an answer that is gone',
    edit: (document) => {
      delete listOf(document).responses['304'];
    },
    due: 'major',
    changes: ['breaks GET /orders the answer 304 is gone'],
  },
  {
    what: 'a body of another type',
    edit: ({ paths }) => {
      const { content } = paths['/commands'].post.requestBody;
      content['application/cbor'] = content['application/json'];
      delete content['application/json'];
    },
    due: 'major',
    changes: [
      'breaks POST /commands the body as application/json is gone',
      'adds POST /commands the body as application/cbor is new',
    ],
  },
];

it.each(planted)('$what is found in a newer API', ({ edit, due, changes }) => {
  const document = JSON.parse(today);
  edit(document);
  const found = compareApis(former, readApi(document));
  expect(found.map(({ effect, where, text }) => `${effect} ${where} ${text}`)).toEqual(changes);
  expect(dueLevel(found)).toBe(due);
});

it('a part that the document has once is the same as the part in its place', () => {
  const document = JSON.parse(today);
  const { responses } = listOf(document);
  const name = responses['403'].$ref.split('/').at(-1);
  responses['403'] = document.components.responses[name];
  const found = compareApis(former, readApi(document));
  expect(found).toEqual([]);
});

it('a parameter that becomes optional is an addition', () => {
  const older = JSON.parse(today);
  parameterOf(older, 'search').required = true;
  const found = compareApis(readApi(older), readApi(JSON.parse(today)));
  expect(found.map(({ effect, text }) => [effect, text])).toEqual([
    ['adds', 'the parameter search in query is optional now'],
  ]);
});

it.each([{}, { openapi: '2.0' }, { openapi: '3.1.0', info: { version: '1.0.0' } }, null])(
  '%j is no document of the API',
  (value) => {
    expect(() => readApi(value)).toThrow(DocumentError);
  },
);
