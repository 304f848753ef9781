import { type Field, int32, list, since, struct, text } from './codec.ts';

/** One kind of request of the protocol. */
export interface Api<Request, Response> {
  readonly key: number;
  readonly versions: readonly [oldest: number, newest: number];
  /** The first version with flexible forms. */
  readonly flexible: number;
  readonly request: Field<Request>;
  readonly response: Field<Response>;
}

export function api<Request, Response>(
  key: number,
  versions: readonly [number, number],
  flexible: number,
  request: Field<Request>,
  response: Field<Response>,
): Api<Request, Response> {
  return { key, versions, flexible, request, response };
}

/** Describes topics, each with an entry for some of its partitions. */
export const places = <T>(of: Field<T>) => list(struct({ name: text, partitions: list(of) }));
/** How long the client must be quiet, in milliseconds. */
export const throttleMs = since(1, int32, 0);
export const broker = { nodeId: int32, host: text, port: int32 };
