// @ts-check
import { Store } from './store.js';

const THEMES = /** @type {const} */ (['system', 'light', 'dark']);

/** Changes when the colours change. @type {Store<number>} */
export const themeTurn = new Store(0);

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () =>
  themeTurn.set(themeTurn.value + 1),
);

/** @returns {typeof THEMES[number]} */
export function chosenTheme() {
  return THEMES.find((each) => each === document.documentElement.dataset.theme) ?? 'system';
}

/** Goes from the theme of the system to light, to dark, and back. */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(chosenTheme()) + 1) % THEMES.length] ?? 'system';
  if (next === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  localStorage.setItem('theme', next);
  themeTurn.set(themeTurn.value + 1);
}
