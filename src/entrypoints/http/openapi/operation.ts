import type { z } from 'zod';
import type { JsonSchema } from './json-schema.ts';
import type { OwnProblem } from './problem-responses.ts';

/**
 * What a route says of itself: `GET /openapi.json` and `GET /docs` show it. Nothing here filters or
 * serializes an answer. `query-check.ts` checks `query`, and no other parameter.
 */
export interface Operation {
  /** The name of the route for generated clients. */
  readonly id: string;
  readonly tag: 'commands' | 'stock' | 'events' | 'service' | 'contract';
  readonly summary: string;
  readonly description?: string;
  /** The names in the path. */
  readonly params?: z.ZodObject;
  /** The parameters behind `?`. Absent: the route ignores them all. */
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  readonly body?: Content;
  /** The answers that are no problems, by status. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** The problems of this route, besides those of every route. */
  readonly problems?: readonly OwnProblem[];
}

/** A body, by its media type. */
export type Content = Readonly<Record<string, Media>>;

export interface Media {
  readonly schema: z.ZodType | JsonSchema;
  /** Examples by a word for each. */
  readonly examples: Readonly<Record<string, unknown>>;
}

export interface Answer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, HeaderField>>;
  readonly content?: Content;
}

export interface HeaderField {
  readonly description: string;
  readonly type: 'string' | 'integer';
  readonly example: string | number;
}
