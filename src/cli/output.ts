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

/** Prints rows below a heading, in columns as wide as they need to be. */
export function printTable(heading: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
  const cells = [heading, ...rows].map((row) => row.map(String));
  const widths = heading.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  for (const row of cells)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}

/** The text with control characters made visible: what others wrote must not steer the terminal. */
export function visible(text: string): string {
  return text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** The bytes as text when they are UTF-8, else in hexadecimal. */
export function textOrHex(bytes: Buffer | string): { readonly text: string } | { readonly hex: string } {
  if (typeof bytes === 'string') return { text: bytes };
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch {
    return { hex: bytes.toString('hex') };
  }
}
