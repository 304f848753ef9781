/** Overwrites the progress line of the terminal. Without a terminal it writes nothing. */
export function progress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\x1b[K${text}`);
}
