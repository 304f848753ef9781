// @ts-check
import { Store } from './store.js';

/**
 * Where the user is: `#/stock/SMALL-TABLE?after=b` is section stock, name SMALL-TABLE, one query
 * parameter.
 *
 * @typedef {{ section: string, name: string, query: Record<string, string> }} Route
 */

/** @type {Store<Route>} */
export const route = new Store(readHash());

addEventListener('hashchange', () => route.set(readHash()));

/** @returns {Route} */
function readHash() {
  const [path = '', search = ''] = location.hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [section = '', ...rest] = path.split('/');
  return {
    section: section || 'now',
    name: decoded(rest.join('/')),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/** @param {string} text percent-encoded, and perhaps cut off within a character */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Returns the link to a place of the page, which can be shared.
 *
 * @param {string} section
 * @param {string | null} [name]
 * @param {Record<string, string | number | null | undefined>} [query]
 */
export function linkTo(section, name = null, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value != null && value !== '');
  const search = new URLSearchParams(given.map(([key, value]) => [key, String(value)]));
  const path = name === null ? '' : `/${encodeURIComponent(name)}`;
  return `#/${section}${path}${given.length === 0 ? '' : `?${search}`}`;
}

/** @param {string} link */
export function goTo(link) {
  location.hash = link;
}

/**
 * Changes query parameters of the current place, without a new entry in the browser's history.
 * @param {Record<string, string | null>} changes
 */
export function changeQuery(changes) {
  const { section, name, query } = route.value;
  const link = linkTo(section, name || null, { ...query, ...changes });
  history.replaceState(null, '', link);
  route.set(readHash());
}
