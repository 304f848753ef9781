// @ts-check
import { html, useLayoutEffect, useRef } from '/page/lib/preact.js';

/**
 * A modal dialog that is open as long as it is drawn. Escape closes the dialog; the focus then goes
 * back to where it was.
 *
 * @param {{ title: string, onClose: () => void, children: unknown }} props
 */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(/** @type {HTMLDialogElement | null} */ (null));
  useLayoutEffect(() => {
    const { current } = dialog;
    const opener = document.activeElement;
    current?.showModal();
    return () => {
      current?.close();
      if (opener instanceof HTMLElement) opener.focus();
    };
  }, []);
  return html`
    <dialog ref=${dialog} aria-label=${title} onCancel=${onClose}>
      <header>
        <h2>${title}</h2>
        <button type="button" class="quiet" aria-label="Close" onClick=${onClose}>✕</button>
      </header>
      ${children}
    </dialog>
  `;
}
