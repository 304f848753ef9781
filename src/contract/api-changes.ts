import { z } from 'zod';
import { type ContractChange, change, orWords } from './contract-changes.ts';
import { DocumentError, info } from './read-document.ts';

const operation = z.looseObject({
  parameters: z
    .array(z.looseObject({ name: z.string(), in: z.string(), required: z.boolean().optional() }))
    .default([]),
  requestBody: z.looseObject({ content: z.record(z.string(), z.unknown()) }).optional(),
  responses: z.record(z.string(), z.unknown()),
});
const document = z.looseObject({
  openapi: z.string().startsWith('3.'),
  info,
  paths: z.record(z.string(), z.record(z.string(), operation)),
});

/** A document of OpenAPI, as far as two releases are compared. */
type ApiDocument = z.output<typeof document>;
type Operation = z.output<typeof operation>;

/**
 * Reads a document of OpenAPI.
 *
 * @throws {DocumentError} the value is something else
 */
export function readApi(value: unknown): ApiDocument {
  const checked = document.safeParse(value);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new DocumentError(
    `It is not the contract/openapi.json of a release: ${issue?.path.join('.')} ${issue?.message}`,
  );
}

/**
 * Compares the HTTP API of a former release with a newer one: routes, their parameters, the media
 * types of their bodies, and the statuses of their answers. The fields of bodies are not compared.
 */
export function compareApis(former: ApiDocument, present: ApiDocument): readonly ContractChange[] {
  const [before, now] = [routesOf(former), routesOf(present)];
  const gone = [...before.keys()]
    .filter((name) => !now.has(name))
    .map((name) => change('breaks', name, 'the route is gone'));
  const others = [...now].flatMap(([name, route]) => {
    const same = before.get(name);
    return same ? compareRoutes(name, same, route) : [change('adds', name, 'a new route')];
  });
  return orWords([...gone, ...others], former, present);
}

function routesOf({ paths }: ApiDocument): ReadonlyMap<string, Operation> {
  return new Map(
    Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(
        ([method, route]) => [`${method.toUpperCase()} ${path}`, route] as const,
      ),
    ),
  );
}

function compareRoutes(where: string, former: Operation, present: Operation) {
  const [before, now] = [partsOf(former), partsOf(present)];
  const gone = [...before.keys()]
    .filter((part) => !now.has(part))
    .map((part) => change('breaks', where, `${part} is gone`));
  const others = [...now].flatMap(([part, isRequired]): readonly ContractChange[] => {
    const wasRequired = before.get(part);
    if (wasRequired === isRequired) return [];
    if (isRequired) return [change('breaks', where, `${part} is required now`)];
    return [change('adds', where, `${part} is ${wasRequired ? 'optional now' : 'new'}`)];
  });
  return [...gone, ...others];
}

/** Names the parts of a route, and says of each whether a caller must give it. */
function partsOf({ parameters, requestBody, responses }: Operation): ReadonlyMap<string, boolean> {
  return new Map([
    ...parameters.map((each): [string, boolean] => [
      `the parameter ${each.name} in ${each.in}`,
      each.required ?? false,
    ]),
    ...named('the body', requestBody?.content ?? {}),
    ...named('the answer', responses),
  ]);
}

function named(title: string, parts: object): readonly [string, boolean][] {
  return Object.keys(parts).map((name) => [`${title} ${name}`, false]);
}
