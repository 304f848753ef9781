/**
 * Puts the parts of a document in the place of the references to them, such as
 * `{"$ref": "#/components/schemas/Event"}`. A reference that names no part becomes `{}`.
 */
export function resolved(part: unknown, document: object, outer: readonly string[] = []): unknown {
  if (Array.isArray(part)) return part.map((each) => resolved(each, document, outer));
  if (typeof part !== 'object' || part === null) return part;
  if ('$ref' in part) {
    const reference = String(part.$ref);
    // A part that has itself inside cannot be unfolded.
    if (outer.includes(reference)) return {};
    return resolved(partAt(reference, document) ?? {}, document, [...outer, reference]);
  }
  const fields = Object.entries(part);
  return Object.fromEntries(fields.map(([name, each]) => [name, resolved(each, document, outer)]));
}

function partAt(reference: string, document: object): unknown {
  const [, ...names] = reference.split('/');
  return names.reduce<unknown>((whole, name) => Object(whole)[name], document);
}
