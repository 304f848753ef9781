// @ts-check
import { Audit } from './sections/audit.js';
import { DeadLetter } from './sections/dead-letter.js';
import { DeadLetters } from './sections/dead-letters.js';
import { Events } from './sections/events.js';
import { Now } from './sections/now.js';
import { Order } from './sections/order.js';
import { Orders } from './sections/orders.js';
import { ProductStock } from './sections/product.js';
import { Recovery } from './sections/recovery.js';
import { Stock } from './sections/stock.js';

/**
 * A section of the page: its word in the URL, its title, the key after `g`, what it shows, and what
 * it shows of one name.
 *
 * @typedef {object} Section
 * @property {string} word
 * @property {string} title
 * @property {string} key
 * @property {(route: import('./router.js').Route) => unknown} list
 * @property {(route: import('./router.js').Route) => unknown} [one]
 */

/** All sections, in the order of the navigation. @type {readonly Section[]} */
export const SECTIONS = [
  { word: 'now', title: 'Now', key: 'n', list: Now },
  { word: 'events', title: 'Events', key: 'e', list: Events },
  { word: 'orders', title: 'Orders', key: 'o', list: Orders, one: Order },
  { word: 'stock', title: 'Stock', key: 's', list: Stock, one: ProductStock },
  { word: 'dead-letters', title: 'Dead letters', key: 'd', list: DeadLetters, one: DeadLetter },
  { word: 'recovery', title: 'Recovery', key: 'r', list: Recovery },
  { word: 'audit', title: 'Audit', key: 'a', list: Audit },
];
