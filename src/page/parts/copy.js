// @ts-check
import { html, useState } from '/page/lib/preact.js';

/**
 * Copies text to the clipboard, and says whether that worked.
 * @param {{ text: string }} props
 */
export function CopyButton({ text }) {
  const [word, setWord] = useState('Copy');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setWord('Copied');
    } catch {
      // Browsers hide the clipboard from pages without HTTPS.
      setWord('Select and copy the text');
    }
  };
  return html`<button type="button" class="copy" onClick=${copy}>${word}</button>`;
}
