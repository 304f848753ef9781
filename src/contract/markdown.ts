/** Makes a Markdown table whose columns are as wide as their longest cell. */
export function markdownTable(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const widths = heading.map((title, column) =>
    Math.max(...[title, ...rows.map((row) => row[column] ?? '')].map(lengthOf)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, column) => padded(cell, widths[column] ?? 0)).join(' | ')} |`;
  const rule = `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`;
  return [line(heading), rule, ...rows.map(line)].join('\n');
}

/** Counts characters as an editor with a fixed width shows them. */
function lengthOf(cell: string): number {
  return [...cell].length;
}

function padded(cell: string, width: number): string {
  return cell + ' '.repeat(width - lengthOf(cell));
}

const BLOCK = /<!-- generated: (?<name>[\w-]+) -->\n.*?<!-- end of generated -->/gs;

/**
 * Replaces what stands between the markers of each table.
 *
 * @param tables by the names in the markers
 * @throws {Error} a table has no marker, or a marker no table; the message names it
 */
export function withTables(page: string, tables: ReadonlyMap<string, string>): string {
  const missing = new Set(tables.keys());
  const updated = page.replace(BLOCK, (_block, name: string) => {
    const table = tables.get(name);
    if (table === undefined) throw new Error(`There is no table "${name}": correct the marker`);
    missing.delete(name);
    return `<!-- generated: ${name} -->\n\n${table}\n\n<!-- end of generated -->`;
  });
  if (missing.size > 0)
    throw new Error(`The page has no marker for the table "${[...missing].join('", "')}"`);
  return updated;
}
