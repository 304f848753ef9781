// @ts-check
import { html, useEffect, useMemo, useState } from '/page/lib/preact.js';
import { buffered, clearEvents, followAll } from '../event-buffer.js';
import { Badge } from '../parts/badge.js';
import { offerDownload } from '../parts/download.js';
import { asCsv, EVENT_LEVELS, isAbout } from '../parts/event-facts.js';
import { EventRow } from '../parts/event-row.js';
import { FilterBar } from '../parts/filter-bar.js';
import { useStore } from '../store.js';
import { counted, formatNumber } from '../verdict.js';

/** Rows beyond these stay out of the table; the export has all. */
const MAX_ROWS = 200;

const FIELDS = [
  { name: 'type', label: 'Type', options: Object.keys(EVENT_LEVELS) },
  { name: 'sku', label: 'Sku' },
  { name: 'orderid', label: 'Order' },
];

/**
 * The events as they are published, newest first.
 * @param {import('../router.js').Route} route
 */
export function Events({ query }) {
  useEffect(() => followAll(), []);
  const now = useStore(buffered);
  const [frozen, setFrozen] = useState(/** @type {typeof now.events | null} */ (null));
  const events = frozen ?? now.events;
  const { type = '', sku = '', orderid = '' } = query;
  const chosen = useMemo(
    () => events.filter((event) => isAbout(event, { type, sku, orderid })),
    [events, type, sku, orderid],
  );
  const waiting = frozen?.[0] ? now.events.indexOf(frozen[0]) : now.events.length;
  return html`
    <div>
      <h1>Events</h1>
      <${FilterBar} fields=${FIELDS} query=${query} />
      <div class="bar">
        <${StreamState} state=${now.state} problem=${now.problem} />
        ${now.gap && html`<${Badge} level="warn">some events are missing: ${now.gap}<//>`}
        <button type="button" aria-pressed=${frozen !== null} onClick=${() => setFrozen(frozen ? null : now.events)}>
          ${frozen === null ? 'Pause' : `Go on (${waiting < 0 ? 'many' : formatNumber(waiting)} new)`}
        </button>
        <button type="button" onClick=${clearEvents}>Clear</button>
        <span class="grow faint">
          ${counted(chosen.length, 'event')} shown of ${formatNumber(now.seen)} since you opened this section.
          ${now.leftOut > 0 && `About ${formatNumber(now.leftOut)} more came too fast to show.`}
        </span>
        <button type="button" disabled=${chosen.length === 0}
          onClick=${() => offerDownload('events.csv', 'text/csv', asCsv(chosen))}>Export CSV</button>
        <button type="button" disabled=${chosen.length === 0}
          onClick=${() => offerDownload('events.json', 'application/json', JSON.stringify(chosen, null, 2))}>
          Export JSON
        </button>
      </div>
      <${EventTable} events=${chosen} isFiltered=${chosen.length !== events.length} />
    </div>
  `;
}

/** @param {{ state: string, problem: Error | null }} props */
function StreamState({ state, problem }) {
  if (state === 'open') return html`<${Badge} level="good">live<//>`;
  if (state === 'connecting') return html`<${Badge} level="none">connecting<//>`;
  return html`<${Badge} level="bad">${problem?.message ?? 'The stream is lost. The page opens it again.'}<//>`;
}

/** @param {{ events: import('../types.js').CloudEvent[], isFiltered: boolean }} props */
function EventTable({ events, isFiltered }) {
  if (events.length === 0)
    return html`<p class="empty">
      ${
        isFiltered
          ? 'No event so far matches the filter. Change the filter, or wait.'
          : 'No event came since you opened this section. Events appear here as they are published.'
      }
    </p>`;
  return html`
    <div>
      <div class="scroll" role="region" aria-label="Events" tabindex="0">
        <table>
          <caption>Events, newest first</caption>
          <thead>
            <tr>
              <th scope="col">Time</th><th scope="col">Type</th><th scope="col">Sku</th>
              <th scope="col">Order</th><th scope="col" class="number">Sequence</th>
              <th scope="col" class="wide">Says</th><th scope="col">Event</th>
            </tr>
          </thead>
          ${events.slice(0, MAX_ROWS).map((event) => html`<${EventRow} key=${event.id} event=${event} />`)}
        </table>
      </div>
      ${
        events.length > MAX_ROWS &&
        html`<p class="faint">The newest ${MAX_ROWS}. Filter, or export, to see the others.</p>`
      }
    </div>
  `;
}
