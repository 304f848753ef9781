// @ts-check

/** @typedef {import('../types.js').CloudEvent} CloudEvent */

/**
 * How each type of event is marked: good news, or something to look at.
 * @type {Record<string, import('./badge.js').Level>}
 */
export const EVENT_LEVELS = {
  BatchCreated: 'good',
  Allocated: 'good',
  AlreadyAllocated: 'none',
  Deallocated: 'none',
  BatchQuantityChanged: 'none',
  OutOfStock: 'warn',
  CommandRejected: 'bad',
  CompositeDomainEvent: 'none',
};

/**
 * Returns the events inside a composite, or the event itself.
 * @param {CloudEvent} event
 * @returns {CloudEvent[]}
 */
export function insideOf(event) {
  const { events } = event.data ?? {};
  return Array.isArray(events) ? events : [event];
}

/**
 * Tells whether the event, or one inside it, is about everything that the filter names.
 * @param {CloudEvent} event
 * @param {{ type?: string, sku?: string, orderid?: string }} filter
 */
export function isAbout(event, { type, sku, orderid }) {
  if (type && event.type !== type && !insideOf(event).some((each) => each.type === type))
    return false;
  return insideOf(event).some(
    ({ data }) => (!sku || data?.sku === sku) && (!orderid || data?.orderid === orderid),
  );
}

/**
 * Says in a few words what the event tells.
 * @param {CloudEvent} event
 * @returns {string}
 */
export function factsOf(event) {
  const inside = insideOf(event);
  if (inside.length > 1 || inside[0] !== event) return inside.map(({ type }) => type).join(', ');
  const { qty, quantity, batchref, reference, eta, reason, detail } = event.data ?? {};
  return [
    qty !== undefined && `${qty} ${qty === 1 ? 'piece' : 'pieces'}`,
    batchref !== undefined && `from batch ${batchref}`,
    reference !== undefined && `batch ${reference}`,
    quantity !== undefined && `quantity ${quantity}`,
    eta != null && `due ${eta}`,
    reason !== undefined && `${reason}: ${detail}`,
  ]
    .filter(Boolean)
    .join(', ');
}

/** The columns of an export. */
const CSV_COLUMNS = ['time', 'type', 'id', 'sku', 'orderid', 'qty', 'batchref', 'sequence', 'data'];

/**
 * Writes events as CSV (RFC 4180), one line for each event inside a composite.
 * @param {CloudEvent[]} events
 */
export function asCsv(events) {
  const rows = events.flatMap((event) =>
    insideOf(event).map((each) => {
      const { sku, orderid, qty, quantity, batchref, reference } = each.data ?? {};
      const time = each.time ?? event.time;
      return [
        time,
        each.type,
        each.id ?? event.id,
        sku,
        orderid,
        qty ?? quantity,
        batchref ?? reference,
        each.sequence,
        JSON.stringify(each.data),
      ];
    }),
  );
  return [CSV_COLUMNS, ...rows].map((row) => `${row.map(csvCell).join(',')}\r\n`).join('');
}

/**
 * Quotes a cell. A spreadsheet would run text that begins like a formula, so an apostrophe goes
 * before it.
 * @param {unknown} value
 */
function csvCell(value) {
  const text = value == null ? '' : String(value);
  const safe = typeof value === 'string' && /^[=+\-@\t\r\n]/.test(text) ? `'${text}` : text;
  return `"${safe.replaceAll('"', '""')}"`;
}
