/**
 * Runs a statement outside any transaction. The statement must work on SQLite and PostgreSQL.
 *
 * @throws {TroubleError} the database cannot be reached
 */
export type Query = <Row>(
  statement: string,
  parameters?: readonly (string | number | null)[],
) => Promise<Row[]>;
