import type { z } from 'zod';
import type { JsonSchema } from '../../../contract/json-schemas.ts';
import type { OwnProblem } from './problem-responses.ts';

/**
 * What a route says of itself: `GET /openapi.json` and `GET /docs` show it. Nothing here filters or
 * serializes an answer. `query-check.ts` checks `query`, and `json-body.ts` checks `json`.
 */
export interface Operation {
  /** The name of the route for generated clients. */
  readonly id: string;
  readonly tag:
    | 'commands'
    | 'stock'
    | 'events'
    | 'dead letters'
    | 'jobs'
    | 'recovery'
    | 'service'
    | 'contract';
  readonly summary: string;
  readonly description?: string;
  /** The names in the path. */
  readonly params?: z.ZodObject;
  /** The parameters behind `?`. Absent: the route ignores them all. */
  readonly query?: z.ZodObject;
  readonly headers?: z.ZodObject;
  /** The body of a route that reads the bytes itself. */
  readonly body?: Content;
  /** The JSON body. The handler finds in `request.body` what the schema has read. */
  readonly json?: JsonBody;
  /** The answers that are no problems, by status. */
  readonly answers: Readonly<Record<number, RouteAnswer>>;
  /** The problems of this route, besides those of every route. */
  readonly problems?: readonly OwnProblem[];
}

/** A body, by its media type. */
export type Content = Readonly<Record<string, Media>>;

export interface Media {
  readonly schema: z.ZodType | JsonSchema;
  /** The examples, by their names. */
  readonly examples: Readonly<Record<string, unknown>>;
}

/** A JSON body. Make `schema` strict, so that unknown fields are refused. */
export interface JsonBody extends Media {
  readonly schema: z.ZodType;
  /** The largest body, in bytes. Default: `MAX_JSON_BYTES`. */
  readonly maxBytes?: number;
}

export interface RouteAnswer {
  readonly description: string;
  readonly headers?: Readonly<Record<string, HeaderField>>;
  readonly content?: Content;
}

export interface HeaderField {
  readonly description: string;
  readonly type: 'string' | 'integer';
  readonly example: string | number;
}
