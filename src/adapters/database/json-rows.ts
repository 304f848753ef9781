import type { Dialect } from './connection/database-url.ts';

type ColumnType = 'text' | 'bigint';

/**
 * Builds a sub-select that reads its rows from one JSON parameter, an array of arrays. A statement
 * with this sub-select takes any number of rows, and its text stays the same.
 *
 * @param columns names and types, in the order of the inner arrays
 * @returns SQL text with one `?`
 *
 * @example
 * jsonRows('sqlite', { sku: 'text', qty: 'bigint' }) // parameter: '[["CHAIR", 2], ["LAMP", 1]]'
 */
export function jsonRows(dialect: Dialect, columns: Readonly<Record<string, ColumnType>>): string {
  const entries = Object.entries(columns);
  if (dialect === 'sqlite') {
    const fields = entries.map(([name], index) => `json_extract(value, '$[${index}]') as ${name}`);
    return `(select ${fields.join(', ')} from json_each(?))`;
  }
  const fields = entries.map(([name, type], index) => `(value->>${index})::${type} as ${name}`);
  const rows = 'jsonb_array_elements(?::jsonb) with ordinality as rows (value, place)';
  return `(select ${fields.join(', ')} from ${rows} order by place)`;
}
