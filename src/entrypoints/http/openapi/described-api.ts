import type { JsonSchema } from '../../../contract/json-schemas.ts';

/** The document of OpenAPI, as far as this service reads its own. */
export interface OpenApiDocument {
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, DescribedOperation>>>>;
  readonly components: { readonly responses: Readonly<Record<string, object>> };
}

export interface DescribedOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly security?: readonly { readonly bearer: readonly [string] }[];
  readonly parameters?: readonly DescribedParameter[];
  readonly requestBody?: { readonly content: DescribedContent };
  responses: Readonly<Record<string, DescribedResponse | { readonly $ref: string }>>;
}

export interface DescribedParameter {
  readonly name: string;
  readonly in: string;
  readonly required: boolean;
  readonly description?: string;
  readonly schema: JsonSchema;
}

export type DescribedContent = Readonly<
  Record<string, { readonly examples?: Readonly<Record<string, { readonly value: unknown }>> }>
>;

export interface DescribedResponse {
  readonly description: string;
  readonly headers?: Readonly<Record<string, { readonly description: string }>>;
  readonly content?: DescribedContent;
}
