import { z } from 'zod';
import { type ContractChange, change, orWords } from './contract-changes.ts';
import { DocumentError, info } from './read-document.ts';
import { resolved } from './references.ts';
import { compareRoutes, type Operation, operation } from './route-changes.ts';

/** More routes than these with the same change are counted: else one schema fills the screen. */
const MAX_NAMED_ROUTES = 5;

const document = z.looseObject({
  openapi: z.string().startsWith('3.'),
  info,
  paths: z.record(z.string(), z.record(z.string(), operation)),
});

/** A document of OpenAPI, as far as two releases are compared. */
type ApiDocument = z.output<typeof document>;

/**
 * Reads a document of OpenAPI.
 *
 * @throws {DocumentError} the value is something else
 */
export function readApi(value: unknown): ApiDocument {
  const checked = document.safeParse(resolved(value, Object(value)));
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  throw new DocumentError(
    `It is not the contract/openapi.json of a release: ${issue?.path.join('.')} ${issue?.message}`,
  );
}

/**
 * Compares the HTTP API of a former release with a newer one: routes, their parameters, bodies and
 * answers, with the fields of both.
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
  return orWords(gathered([...gone, ...others]), former, present);
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

/** Names each change once for each route; a change of many routes once for all of them. */
function gathered(changes: readonly ContractChange[]): readonly ContractChange[] {
  const routes = new Map<string, Map<string, ContractChange>>();
  for (const each of changes) {
    const same = `${each.effect} ${each.text}`;
    routes.set(same, (routes.get(same) ?? new Map()).set(each.where, each));
  }
  return [...routes.values()].flatMap((alike) => {
    const [first, ...others] = alike.values();
    if (!first || others.length < MAX_NAMED_ROUTES) return [...alike.values()];
    return [{ ...first, where: `${first.where} and ${others.length} other routes` }];
  });
}
