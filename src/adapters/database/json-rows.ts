import type { Dialect } from './connection/options.ts';

type ColumnType = 'text' | 'bigint';

/**
 * A table made of one JSON parameter, an array of arrays: any number of rows with a statement whose text never changes.
 * @param columns name and type, in the order of the inner arrays
 * @returns the text of a sub-select with one `?`
 */
export function jsonRows(dialect: Dialect, columns: Readonly<Record<string, ColumnType>>): string {
  const entries = Object.entries(columns);
  if (dialect === 'sqlite') {
    const fields = entries.map(([name], index) => `json_extract(value, '$[${index}]') as ${name}`);
    return `(select ${fields.join(', ')} from json_each(?))`;
  }
  const fields = entries.map(([name, type], index) => `(value->>${index})::${type} as ${name}`);
  return `(select ${fields.join(', ')} from jsonb_array_elements(?::jsonb) with ordinality as rows (value, place) order by place)`;
}
