import type { Database } from './database.ts';

/** What a user of PostgreSQL lacks. */
export interface MissingPrivileges {
  /** The user of the connection. */
  readonly user: string;
  /** The object with its kind, such as `table products`. */
  readonly object: string;
  readonly privileges: readonly string[];
}

const READ_AND_WRITE = ['select', 'insert', 'update'];
const WRITE_AND_DELETE = [...READ_AND_WRITE, 'delete'];
const USAGE = ['usage'];

/** What the service needs. A test compares this table with the grants in docs/security.md. */
export const SERVICE_PRIVILEGES: Readonly<Record<string, readonly string[]>> = {
  'table mikro_orm_migrations': ['select'],
  'table rebuilds': ['select'],
  'table products': READ_AND_WRITE,
  'table batches': READ_AND_WRITE,
  'table order_lines': WRITE_AND_DELETE,
  'table allocations': ['select', 'insert', 'delete'],
  'table source_positions': READ_AND_WRITE,
  'table waiting_lanes': READ_AND_WRITE,
  'table processed_commands': WRITE_AND_DELETE,
  'table outbox': ['select', 'insert', 'delete'],
  'table parked_commands': WRITE_AND_DELETE,
  'table parked_subjects': ['select', 'insert', 'delete'],
  'sequence batches_id_seq': USAGE,
  'sequence order_lines_id_seq': USAGE,
  'sequence allocations_id_seq': USAGE,
  'sequence parked_commands_number_seq': USAGE,
  'sequence parked_subjects_number_seq': USAGE,
};

const LACKING = `
  select current_user as "user", kind || ' ' || name as object, privilege
  from (values VALUES) as needed (kind, name, privilege)
  where not case kind
    when 'table' then has_table_privilege(to_regclass(name)::oid, privilege)
    else has_sequence_privilege(to_regclass(name)::oid, privilege)
  end`;
const LACKING_SCHEMA = `
  select current_user as "user", 'schema ' || name as object, privilege
  from (values VALUES) as needed (privilege),
    (select coalesce(current_schema(), 'public') as name) as used
  where not has_schema_privilege(to_regnamespace(quote_ident(name))::oid, privilege)`;

/**
 * Finds what the user of the connection to PostgreSQL lacks to run the service. Objects that do not
 * exist are left out.
 *
 * @param options `mayRebuild`: whether the service may rebuild its database, and so needs the right
 * to create tables
 */
export async function missingPrivileges(
  database: Pick<Database, 'read'>,
  { mayRebuild }: { readonly mayRebuild: boolean },
): Promise<readonly MissingPrivileges[]> {
  const needed = Object.entries(SERVICE_PRIVILEGES).flatMap(([object, privileges]) =>
    privileges.map((privilege) => [...object.split(' '), privilege]),
  );
  const onSchema = mayRebuild ? [['usage'], ['create']] : [['usage']];
  const lacking = [
    ...(await read(database, LACKING_SCHEMA, onSchema)),
    ...(await read(database, LACKING, needed)),
  ];
  return Object.values(Object.groupBy(lacking, ({ object }) => object)).flatMap((rows = []) => {
    const [first] = rows;
    return first ? [{ ...first, privileges: rows.map(({ privilege }) => privilege) }] : [];
  });
}

interface LackingRow {
  readonly user: string;
  readonly object: string;
  readonly privilege: string;
}

function read(
  database: Pick<Database, 'read'>,
  statement: string,
  rows: readonly (readonly string[])[],
): Promise<LackingRow[]> {
  const values = rows.map((row) => `(${row.map(() => '?::text').join(', ')})`).join(', ');
  return database.read<LackingRow>(statement.replace('VALUES', values), rows.flat());
}
