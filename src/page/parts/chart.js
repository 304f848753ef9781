// @ts-check
import { html, useEffect, useRef } from '/page/lib/preact.js';
import UPlot from '/page/lib/uplot.js';
import { useStore } from '../store.js';
import { themeTurn } from '../theme-choice.js';
import { isUtc } from '../time.js';

const HEIGHT_PX = 150;

/**
 * A line over the last hour.
 *
 * @param {{
 *   title: string, unit: string, colour: string, times: number[], values: (number | null)[],
 * }} props times in seconds; the colour is the name of a custom property of the style
 */
export function Chart({ title, unit, colour, times, values }) {
  const holder = useRef(/** @type {HTMLDivElement | null} */ (null));
  const plot = useRef(/** @type {UPlot | null} */ (null));
  const utc = useStore(isUtc);
  const turn = useStore(themeTurn);

  useEffect(() => {
    const { current: element } = holder;
    if (!element) return undefined;
    const chart = new UPlot(optionsOf(element, { unit, colour, utc }), [times, values], element);
    plot.current = chart;
    const observer = new ResizeObserver(() =>
      chart.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      chart.destroy();
    };
  }, [unit, colour, utc, turn]);

  useEffect(() => {
    plot.current?.setData([times, values]);
    return undefined;
  }, [times, values]);

  const newest = values.at(-1);
  const text =
    newest == null
      ? 'no data'
      : `${newest.toLocaleString('en-US', { maximumFractionDigits: 1 })} ${unit}`;
  return html`
    <figure class="chart">
      <figcaption><h2>${title}</h2><b>${text}</b></figcaption>
      <div ref=${holder} class="plot" role="img" aria-label=${`${title}, now ${text}`}></div>
    </figure>
  `;
}

/**
 * @param {HTMLElement} element
 * @param {{ unit: string, colour: string, utc: boolean }} look
 * @returns {import('uplot').Options}
 */
function optionsOf(element, { unit, colour, utc }) {
  const line = colourOf(element, colour);
  const axis = {
    stroke: colourOf(element, '--faint'),
    grid: { stroke: colourOf(element, '--line'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    padding: [8, 12, 0, 0],
    cursor: { sync: { key: 'now' }, y: false },
    tzDate: (seconds) =>
      utc ? UPlot.tzDate(new Date(seconds * 1_000), 'Etc/UTC') : new Date(seconds * 1_000),
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(1, max * 1.15)] } },
    axes: [
      { ...axis, size: 26, space: 70, values: '{HH}:{mm}' },
      { ...axis, size: 52, space: 32 },
    ],
    series: [
      {},
      {
        label: unit,
        stroke: line,
        fill: line.replace('rgb(', 'rgba(').replace(')', ', 0.12)'),
        width: 1.5,
        points: { show: false },
      },
    ],
  };
}

/**
 * Returns the colour that a custom property has now, as a canvas understands it.
 * @param {HTMLElement} element
 * @param {string} name
 */
function colourOf(element, name) {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  element.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
