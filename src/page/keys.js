// @ts-check
import { goTo, linkTo } from './router.js';
import { SECTIONS } from './sections.js';
import { nextTheme } from './theme-choice.js';
import { toggleZone } from './time.js';

/** How long a `g` waits for the key of a section. */
const CHORD_MS = 3_000;

/**
 * Listens to the keys of the page, except while the user types or a dialog is open.
 *
 * @param {() => void} onHelp
 * @returns {() => void} ends the listening
 */
export function startKeys(onHelp) {
  let chordUntil = 0;
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isBusy(event.target)) return;
    const section = SECTIONS.find(({ key }) => key === event.key);
    if (event.timeStamp < chordUntil && section) goTo(linkTo(section.word));
    else if (event.key === '/') focusSearch();
    else if (event.key === '?') onHelp();
    else if (event.key === 't') toggleZone();
    else if (event.key === 'c') nextTheme();
    else if (event.key !== 'g') return;
    chordUntil = event.key === 'g' ? event.timeStamp + CHORD_MS : 0;
    event.preventDefault();
  };
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}

/** @param {EventTarget | null} target */
function isBusy(target) {
  const isTyping = target instanceof HTMLElement && target.matches('input, select, textarea');
  return isTyping || document.querySelector('dialog[open]') !== null;
}

/** Goes to the search of the section, or else to the search of the page. */
function focusSearch() {
  const ofSection = document.querySelector('main [data-search]');
  const field = ofSection ?? document.querySelector('[data-search]');
  if (field instanceof HTMLElement) field.focus();
}
