/**
 * Hides arguments that may have a password from the other users of the machine, to whom `ps` shows
 * the title of each process.
 */
export function hidePasswordsInTitle(): void {
  const words = process.argv.slice(2);
  if (!words.some(mayHoldPassword)) return;
  const shown = words.map((word) => (mayHoldPassword(word) ? '***' : word));
  process.title = ['allocation', ...shown].join(' ');
}

/** Tells whether the argument may be the URL of a server, even a mistyped one. */
function mayHoldPassword(word: string): boolean {
  return /@|postgre/i.test(word);
}
