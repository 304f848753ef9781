/*
 * Text from others reaches terminals: names, messages, whole commands. A terminal obeys control
 * characters, and shows text after a bidirectional character in another order. So people see
 * control characters as escapes, such as \u202e.
 */

/** Matches C0, C1, and the characters that change the direction of text. */
const CONTROL = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
/** Matches an escape within JSON, or a control character that JSON leaves as it is. */
const IN_JSON = new RegExp(String.raw`\\(?:u[0-9a-f]{4}|[^u])|${CONTROL.source}`, 'giu');

/** Makes control characters visible. */
export function visible(text: string): string {
  return text.replace(CONTROL, escapeOf);
}

/** Makes control characters visible, except the line feeds. */
export function visibleLines(text: string): string {
  return text.split('\n').map(visible).join('\n');
}

/**
 * Makes control characters visible in the strings of a line of JSON. Line feeds and tabs stay. A
 * program that parses the JSON can then show its strings safely.
 */
export function visibleInJson(json: string): string {
  return json.replace(IN_JSON, (match) => {
    if (match === '\n' || /^\\[nt"\\/]/.test(match)) return match;
    if (!match.startsWith('\\')) return `\\${escapeOf(match)}`;
    const character: string = JSON.parse(`"${match}"`);
    const text = visible(character);
    return text === character ? match : `\\${text}`;
  });
}

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
