import { Option } from 'commander';

/** The option of every command that prints. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON, one object per line').default(false);
}

/** Writes a line to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints the value as one line of JSON. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value));
}

/** Prints what has become of something: to a machine the value, to a person the line. Null: a person has been told on stderr. */
export function say(json: boolean, value: object, line: string | null): void {
  if (json) printJson(value);
  else if (line !== null) print(line);
}

type Rows = readonly (readonly (string | number)[])[];

/** Prints rows below a heading, in columns as wide as they need to be. */
export function printTable(heading: readonly string[], rows: Rows): void {
  new Table(heading).print(rows);
}

/** A table that is printed in parts: a later part may need wider columns, and never has narrower ones. */
export class Table {
  #heading: readonly string[] | null;
  readonly #widths: number[];

  constructor(heading: readonly string[]) {
    this.#heading = heading;
    this.#widths = heading.map(({ length }) => length);
  }

  /** Whether nothing was printed, not even the heading. */
  get isEmpty(): boolean {
    return this.#heading !== null;
  }

  /** Prints the rows, and before the first ones the heading. */
  print(rows: Rows): void {
    if (rows.length === 0) return;
    const cells = [...(this.#heading ? [this.#heading] : []), ...rows].map((row) =>
      row.map(String),
    );
    this.#heading = null;
    for (const row of cells)
      for (const [column, { length }] of row.entries())
        this.#widths[column] = Math.max(this.#widths[column] ?? 0, length);
    for (const row of cells)
      print(
        row
          .map((cell, column) => cell.padEnd(this.#widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      );
  }
}

/** The text with control characters made visible: what others wrote must not steer the terminal. */
export function visible(text: string): string {
  return text.replace(
    /\p{Cc}/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The bytes as text when they are UTF-8, else in hexadecimal. */
export function textOrHex(
  bytes: Buffer | string,
): { readonly text: string } | { readonly hex: string } {
  if (typeof bytes === 'string') return { text: bytes };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { hex: bytes.toString('hex') };
  }
}
