/** A statement for PostgreSQL, translated for SQLite, which runs it here. */
export interface Translated {
  readonly text: string;
  /** The table whose rows a `select … for update` locks, or null. */
  readonly locks: string | null;
}

const ROWS =
  /from jsonb_array_elements\(\?::jsonb\) with ordinality as rows \(value, place\) order by place/g;
const FIELD = /\(value->>(\d+)\)::(?:text|bigint)/g;
const TIMELINE =
  "left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' || " +
  'extract(epoch from pg_postmaster_start_time())';
const FOR_UPDATE = /^\s*select ([\s\S]+?) from (\w+)([\s\S]*?)\s+for update\s*$/;

/** The prefix of the columns with each row's key that a `select … for update` gets as well. */
export const KEY = 'locked_key_';

const translated = new Map<string, Translated>();

/** Translates a statement. @param keyOf returns the columns of a table's primary key */
export function translate(
  statement: string,
  keyOf: (table: string) => readonly string[],
): Translated {
  const known = translated.get(statement);
  if (known) return known;
  const text = statement
    .replaceAll(/\$\d+/g, '?')
    .replaceAll(ROWS, 'from json_each(?)')
    .replaceAll(FIELD, "json_extract(value, '$[$1]')")
    .replaceAll(TIMELINE, 'timeline()');
  const [, columns, table, rest] = FOR_UPDATE.exec(text) ?? [];
  const keys =
    table === undefined
      ? []
      : keyOf(table).map((column, index) => `${table}.${column} as ${KEY}${index}`);
  const translation = {
    text:
      table === undefined ? text : `select ${[...keys, columns].join(', ')} from ${table}${rest}`,
    locks: table ?? null,
  };
  translated.set(statement, translation);
  return translation;
}
