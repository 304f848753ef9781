import { CLUSTER_APIS } from './cluster-apis.ts';
import type { Field } from './codec.ts';
import { GROUP_APIS } from './group-apis.ts';
import { SASL_APIS } from './sasl-apis.ts';
import { TOPIC_APIS } from './topic-apis.ts';
import { TRANSACTION_APIS } from './transaction-apis.ts';

/** The requests that the service sends, one row each, by name. */
export const APIS = {
  ...CLUSTER_APIS,
  ...SASL_APIS,
  ...TOPIC_APIS,
  ...GROUP_APIS,
  ...TRANSACTION_APIS,
};

export type ApiName = keyof typeof APIS;
type Row<N extends ApiName> = (typeof APIS)[N];
export type RequestOf<N extends ApiName> = Row<N>['request'] extends Field<infer T> ? T : never;
export type ResponseOf<N extends ApiName> = Row<N>['response'] extends Field<infer T> ? T : never;

/** The name of each row by the number of its request. */
export const nameOf: ReadonlyMap<number, ApiName> = new Map(
  Object.entries(APIS).map(([name, { key }]) => [key, name as ApiName]),
);
