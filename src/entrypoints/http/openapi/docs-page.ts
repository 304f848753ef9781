import { hash } from 'node:crypto';
import type { DescribedOperation, DescribedResponse, OpenApiDocument } from './described-api.ts';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; overflow-wrap: anywhere; }
h2 { border-top: 1px solid; padding-top: 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid #8886; padding: .25rem .5rem; text-align: left; }
th, td { vertical-align: top; }
pre { background: #8882; overflow-x: auto; padding: .5rem; }
`;

/** Lets a browser use the style of the page, and load nothing. The page has no script. */
export const DOCS_POLICY =
  `default-src 'none'; style-src 'sha256-${hash('sha256', STYLE, 'base64')}'; ` +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Makes a page of HTML that shows the document to people. */
export function docsPage(document: OpenApiDocument): string {
  const { info, paths } = document;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      title: `${method.toUpperCase()} ${path}`,
      operation,
    })),
  );
  const contents = operations.map(
    ({ title, operation }) =>
      `<li><a href="#${escaped(operation.operationId)}"><code>${escaped(title)}</code></a> ` +
      `${prose(operation.summary)}</li>`,
  );
  return [
    '<!doctype html><html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width">',
    `<title>${escaped(info.title)}</title><style>${STYLE}</style></head><body>`,
    `<h1>${escaped(info.title)} ${escaped(info.version)}</h1>`,
    ...info.description.split('\n\n').map((paragraph) => `<p>${prose(paragraph)}</p>`),
    '<p>For programs: <a href="openapi.json">openapi.json</a></p>',
    `<ul>${contents.join('')}</ul>`,
    ...operations.map(({ title, operation }) => sectionOf(title, operation, document)),
    '</body></html>\n',
  ].join('\n');
}

function sectionOf(
  title: string,
  operation: DescribedOperation,
  { components }: OpenApiDocument,
): string {
  const { operationId, summary, description, security, requestBody, responses } = operation;
  const role = security?.[0]?.bearer[0];
  const answers = Object.entries(responses).map(([status, response]) => [
    status,
    '$ref' in response
      ? (components.responses[response.$ref.split('/').at(-1) ?? ''] as DescribedResponse)
      : response,
  ]) as [string, DescribedResponse][];
  const isProblem = ([, { content = {} }]: [string, DescribedResponse]) =>
    'application/problem+json' in content;
  return [
    `<section><h2 id="${escaped(operationId)}"><code>${escaped(title)}</code></h2>`,
    `<p>${prose(summary)}. ${role ? `Role: <code>${escaped(role)}</code>.` : 'No token.'}</p>`,
    description ? `<p>${prose(description)}</p>` : '',
    parametersOf(operation),
    ...examplesOf('Body', requestBody?.content),
    ...answers
      .filter((each) => !isProblem(each))
      .flatMap(([status, answer]) => [
        `<h3>${status}</h3><p>${prose(answer.description)}.${headersOf(answer)}</p>`,
        ...examplesOf('Answer', answer.content),
      ]),
    problemsOf(answers.filter(isProblem)),
    '</section>',
  ].join('\n');
}

function parametersOf({ parameters = [] }: DescribedOperation): string {
  const rows = parameters.map(({ name, in: place, required, description = '', schema }) => [
    `<code>${escaped(name)}</code>`,
    escaped(place) + (required ? ', required' : ''),
    prose(description),
    allowedBy(schema),
  ]);
  return tableOf(['parameter', 'in', 'meaning', 'values'], rows);
}

function allowedBy(schema: Readonly<Record<string, unknown>>): string {
  const shown = ['enum', 'const', 'minimum', 'maximum', 'minLength', 'maxLength', 'default'];
  const facts = shown.filter((key) => schema[key] !== undefined);
  return facts.map((key) => `${key} <code>${escaped(textOf(schema[key]))}</code>`).join(', ');
}

function headersOf({ headers = {} }: DescribedResponse): string {
  return Object.entries(headers)
    .map(([name, { description }]) => ` <code>${escaped(name)}</code>: ${prose(description)}.`)
    .join('');
}

function examplesOf(title: string, content: DescribedResponse['content'] = {}): string[] {
  return Object.entries(content).flatMap(([type, { examples = {} }]) =>
    Object.values(examples).map(
      ({ value }) =>
        `<p>${title}, <code>${escaped(type)}</code>:</p><pre>${escaped(textOf(value, 2))}</pre>`,
    ),
  );
}

function problemsOf(answers: readonly [string, DescribedResponse][]): string {
  const rows = answers.flatMap(([status, { content = {} }]) =>
    Object.values(content['application/problem+json']?.examples ?? {}).map(({ value }) => [
      status,
      escaped((value as { readonly detail: string }).detail),
    ]),
  );
  return tableOf(['problem', 'for example'], rows);
}

function tableOf(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return '';
  const head = titles.map((title) => `<th>${title}</th>`).join('');
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`);
  return `<table><tr>${head}</tr>${body.join('')}</table>`;
}

function textOf(value: unknown, indent = 0): string {
  return typeof value === 'string' ? value : JSON.stringify(value, null, indent);
}

/** Writes text with its code spans. */
function prose(text: string): string {
  return escaped(text).replace(/`([^`]+)`/g, '<code>$1</code>');
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
