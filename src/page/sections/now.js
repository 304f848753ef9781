// @ts-check
import { html, useMemo } from '/page/lib/preact.js';
import { useAnswer } from '../answer.js';
import { live } from '../live.js';
import { Badge } from '../parts/badge.js';
import { Chart } from '../parts/chart.js';
import { Lanes } from '../parts/lanes.js';
import { Members } from '../parts/members.js';
import { Time } from '../parts/time.js';
import { useStore } from '../store.js';
import { formatDuration } from '../time.js';
import { formatNumber, verdictOf } from '../verdict.js';

const CHART_EVERY_MS = 5_000;

/** Whether the service is well, and why not; its speed, its lanes, its instances. */
export function Now() {
  const state = useStore(live);
  const { word, level, reasons } = verdictOf(state);
  const { status, isSilent } = state;
  return html`
    <div>
      <h1 class="verdict ${level}"><${Badge} level=${level}>${word}<//></h1>
      <ul class="reasons">
        ${reasons.map((reason) => html`<li>${reason}</li>`)}
      </ul>
      ${status !== null && html`<${Numbers} status=${status} isSilent=${isSilent} />`}
    </div>
  `;
}

/**
 * Everything below the verdict. It appears with the first answer, which would push down anything
 * that was shown before.
 *
 * @param {{ status: import('../types.js').Status, isSilent: boolean }} props
 */
function Numbers({ status, isSilent }) {
  return html`
    <div class=${isSilent ? 'stale' : ''}>
      <${Tiles} status=${status} />
      <${Charts} />
      <${Lanes} lanes=${status.lanes} />
      <${Members} members=${status.members} areKnown=${status.areMembersKnown} />
      <${About} service=${status.service} />
    </div>
  `;
}

/** @param {{ status: import('../types.js').Status }} props */
function Tiles({ status: { lanes, deadLetters } }) {
  const lags = lanes.map(({ lagSeconds }) => lagSeconds).filter((lag) => lag !== null);
  const messages = lanes.map(({ lagMessages }) => lagMessages).filter((lag) => lag !== null);
  const working = lanes.filter(({ state }) => state === 'working').length;
  const { open, oldestAt, parked } = deadLetters;
  return html`
    <dl class="tiles">
      <${Tile} title="Lag" value=${lags.length > 0 ? formatDuration(Math.max(...lags) * 1_000) : '–'}
        note="age of the oldest unanswered command" />
      <${Tile} title="Unanswered" value=${messages.length > 0 ? formatNumber(messages.reduce((a, b) => a + b, 0)) : '–'}
        note="commands on the lanes of this instance" />
      <${Tile} title="Lanes at work here" value=${`${working} of ${lanes.length}`}
        note="one for each partition of the commands" />
      <${Tile} title="Dead letters" value=${formatNumber(open)} link="#/dead-letters"
        note=${oldestAt ? html`the oldest from <${Time} at=${oldestAt} />` : 'wait for an operator'} />
      <${Tile} title="Parked commands" value=${formatNumber(parked)} note="held back behind a failed one" />
    </dl>
  `;
}

/** @param {{ title: string, value: string, note: unknown, link?: string }} props */
function Tile({ title, value, note, link }) {
  return html`
    <div class="tile">
      <dt>${title}</dt>
      <dd><b>${link ? html`<a href=${link}>${value}</a>` : value}</b><span class="faint">${note}</span></dd>
    </div>
  `;
}

function Charts() {
  const { data } = useAnswer('/status/history', { everyMs: CHART_EVERY_MS });
  const [times, rates, lags] = useMemo(() => {
    /** @type {import('../types.js').Point[]} */
    const points = data?.points ?? [];
    return [
      points.map(({ at }) => new Date(at).getTime() / 1_000),
      points.map(({ commandsPerSecond }) => commandsPerSecond),
      points.map(({ lagSeconds }) => lagSeconds),
    ];
  }, [data]);
  return html`
    <div class="charts">
      <${Chart} title="Commands answered" unit="a second" colour="--accent" times=${times} values=${rates} />
      <${Chart} title="Lag" unit="seconds" colour="--warn" times=${times} values=${lags} />
    </div>
  `;
}

/** @param {{ service: import('../types.js').Status['service'] }} props */
function About({ service }) {
  const { version, instance, startedAt, broker, database, topics } = service;
  return html`
    <div>
      <h2>This instance</h2>
      <dl class="facts">
        <dt>Instance</dt><dd><code>${instance}</code></dd>
        <dt>Version</dt><dd>${version}</dd>
        <dt>Started</dt><dd><${Time} at=${startedAt} /></dd>
        <dt>Log</dt><dd>${broker}</dd>
        <dt>Database</dt><dd>${database}</dd>
        <dt>Topics</dt><dd>${Object.values(topics).map((topic) => html`<code>${topic}</code> `)}</dd>
      </dl>
    </div>
  `;
}
