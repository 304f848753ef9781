import { z } from 'zod';
import { ROLES } from '../entrypoints/http/doors/access.ts';
import { type Action, type ContractChange, change, MEANINGS } from './contract-changes.ts';
import type { JsonSchema } from './json-schemas.ts';
import { compareSchemas } from './schema-changes.ts';

const described = z.looseObject({ schema: z.record(z.string(), z.unknown()).default({}) });
const content = z.record(z.string(), described).default({});

/** A route with its references resolved, as far as two releases are compared. */
export const operation = z.looseObject({
  security: z.array(z.object({ bearer: z.tuple([z.enum(ROLES)]) })).default([]),
  parameters: z
    .array(described.extend({ name: z.string(), in: z.string(), required: z.boolean().optional() }))
    .default([]),
  requestBody: z.looseObject({ content, required: z.boolean().optional() }).optional(),
  responses: z.record(
    z.string(),
    z.looseObject({ content, headers: z.record(z.string(), described).default({}) }),
  ),
});

export type Operation = z.output<typeof operation>;

/** A part of a route that callers rely on. */
interface Part {
  /** Such as `the answer 200 as application/json`. */
  readonly name: string;
  /** The name of the part around it. Absent: there is none. */
  readonly within?: string;
  /** Whether callers must give the part. */
  readonly isRequired: boolean;
  /** `receive`: callers give the part. */
  readonly action: Action;
  readonly schema: JsonSchema;
}

/** Compares a route of a former release with the same route of a newer one. */
export function compareRoutes(
  where: string,
  former: Operation,
  present: Operation,
): readonly ContractChange[] {
  const [before, now] = [partsOf(former), partsOf(present)];
  const gone = [...before.values()]
    .filter(({ name, within }) => !now.has(name) && isAlone(within, now))
    .map(({ name }) => change('breaks', where, `${name} is gone`));
  const others = [...now.values()].flatMap((part): readonly ContractChange[] => {
    const same = before.get(part.name);
    if (same) return compareParts(where, same, part);
    if (!isAlone(part.within, before)) return [];
    return part.isRequired
      ? [change('breaks', where, `${part.name} is required now`)]
      : [change('adds', where, `${part.name} is new`)];
  });
  return [...gone, ...others];
}

/** Tells whether no change of the part around it tells of the part already. */
function isAlone(within: string | undefined, others: ReadonlyMap<string, Part>): boolean {
  return within === undefined || others.has(within);
}

function compareParts(where: string, former: Part, present: Part): readonly ContractChange[] {
  const { name, action, isRequired } = present;
  const differences = compareSchemas(former.schema, present.schema).map((each) => {
    const place = each.path === '' ? name : `${name}: ${each.path}`;
    return change(MEANINGS[action][each.effect], where, `${place}: ${each.text}`);
  });
  if (former.isRequired === isRequired) return differences;
  return isRequired
    ? [change('breaks', where, `${name} is required now`), ...differences]
    : [change('adds', where, `${name} is optional now`), ...differences];
}

function partsOf(route: Operation): ReadonlyMap<string, Part> {
  const { security, parameters, requestBody, responses } = route;
  const role = security[0]?.bearer[0];
  const parts: readonly Part[] = [
    {
      name: 'the role of the caller',
      isRequired: false,
      action: 'receive',
      // Roles are cumulative: each may do what the roles before it may do.
      schema: role === undefined ? {} : { enum: ROLES.slice(ROLES.indexOf(role)) },
    },
    ...parameters.map((each) => ({
      name: `the parameter ${each.name} in ${each.in}`,
      isRequired: each.required ?? false,
      action: 'receive' as const,
      schema: each.schema,
    })),
    ...(requestBody ? bodyParts(requestBody) : []),
    ...Object.entries(responses).flatMap(([status, answer]) =>
      answerParts(`the answer ${status}`, answer),
    ),
  ];
  return new Map(parts.map((part) => [part.name, part]));
}

function bodyParts({ content, required = false }: NonNullable<Operation['requestBody']>) {
  const part = { isRequired: false, action: 'receive' as const };
  return [
    { ...part, name: 'the body', isRequired: required, schema: {} },
    ...Object.entries(content).map(([mediaType, { schema }]): Part => {
      return { ...part, name: `the body as ${mediaType}`, within: 'the body', schema };
    }),
  ];
}

function answerParts(name: string, { content, headers }: Operation['responses'][string]) {
  const part = { isRequired: false, action: 'send' as const };
  return [
    { ...part, name, schema: {} },
    ...Object.entries(content).map(([mediaType, { schema }]): Part => {
      return { ...part, name: `${name} as ${mediaType}`, within: name, schema };
    }),
    ...Object.entries(headers).map(([header, { schema }]): Part => {
      return { ...part, name: `the header ${header} of ${name}`, within: name, schema };
    }),
  ];
}
