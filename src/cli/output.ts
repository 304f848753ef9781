import { Option } from 'commander';
import { visible, visibleLines } from '../control-characters.ts';

export { visible };

/** Makes the option `--json`, which every command that prints has. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON, one object per line').default(false);
}

/** Prints text of one or more lines to stdout. Makes all other control characters visible. */
export function print(text: string): void {
  process.stdout.write(`${visibleLines(text)}\n`);
}

/** Prints text to stderr, as `print` does to stdout. */
export function printToStderr(text: string): void {
  process.stderr.write(`${visibleLines(text)}\n`);
}

/** Prints the value as one line of JSON. */
export function printJson(value: unknown): void {
  print(toJson(value));
}

/** Returns the value as JSON without any control character: strings have escapes instead. */
export function toJson(value: unknown): string {
  return visible(JSON.stringify(value));
}

/**
 * Prints one outcome: the value with `--json`, otherwise the line.
 *
 * @param line null: stderr already tells people
 */
export function printOutcome(json: boolean, value: object, line: string | null): void {
  if (json) printJson(value);
  else if (line !== null) print(line);
}

type Rows = readonly (readonly (string | number)[])[];

/** Prints rows below a heading, in columns that are as wide as their longest cell. */
export function printTable(heading: readonly string[], rows: Rows): void {
  new Table(heading).print(rows);
}

/** Prints a table in parts. A later part may have wider columns, but never narrower ones. */
export class Table {
  #heading: readonly string[] | null;
  readonly #widths: number[];

  constructor(heading: readonly string[]) {
    this.#heading = heading;
    this.#widths = heading.map(({ length }) => length);
  }

  /** Whether the table has printed nothing, not even its heading. */
  get isEmpty(): boolean {
    return this.#heading !== null;
  }

  /** Prints the rows, and the heading before the first rows. */
  print(rows: Rows): void {
    if (rows.length === 0) return;
    const cells = [...(this.#heading ? [this.#heading] : []), ...rows].map((row) =>
      row.map((cell) => visible(String(cell))),
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

/** The most products that a cell of a table names. */
const MAX_SKUS = 3;

/** Lists products in a cell of a table. */
export function describeSkus(skus: readonly string[]): string {
  const more = skus.length > MAX_SKUS ? ` and ${skus.length - MAX_SKUS} more` : '';
  return skus.slice(0, MAX_SKUS).join(', ') + more || '-';
}

/** Returns the bytes as text if they are UTF-8, otherwise as hexadecimal digits. */
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
