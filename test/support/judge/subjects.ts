import type { LaneCommand } from './evidence.ts';

type Body = LaneCommand['body'];

/** Returns the batch, the order and the products that a command names. */
export function subjectsOf(body: Body): readonly string[] {
  const { reference, orderid, sku } = body as Record<string, string | undefined>;
  const lines = (body.lines ?? []) as readonly { readonly sku: string }[];
  const subject = (kind: string, name: string | null | undefined) =>
    name === undefined || name === null ? [] : [`${kind}:${name}`];
  return [
    ...subject('batch', reference),
    ...subject('order', orderid),
    ...subject('sku', sku),
    ...lines.flatMap((line) => subject('sku', line.sku)),
  ];
}

/**
 * Knows the products to which a batch or an order may belong, by the name of the batch or order.
 */
export class SkusByName {
  readonly #skus = new Map<string, Set<string>>();

  constructor(commands: readonly LaneCommand[]) {
    for (const { body } of commands) {
      const subjects = subjectsOf(body);
      const isSku = (subject: string) => subject.startsWith('sku:');
      for (const name of subjects.filter((subject) => !isSku(subject)))
        this.#skus.set(name, new Set([...(this.#skus.get(name) ?? []), ...subjects.filter(isSku)]));
    }
  }

  of(body: Body): readonly string[] {
    return subjectsOf(body).flatMap((name) => [...(this.#skus.get(name) ?? [])]);
  }
}
