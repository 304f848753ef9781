// @ts-check
import { html, useEffect } from '/page/lib/preact.js';
import { counted, formatNumber } from '../verdict.js';

/** How long the page waits before it asks again. The service reads on meanwhile. */
const AGAIN_MS = 1_000;

/**
 * Says what a list of dead letters lacks, and asks again until the service has read all of them.
 * @param {{ reading: import('../types.js').Reading, reload: () => void }} props
 */
export function ReadingState({ reading, reload }) {
  const { isComplete, readOffsets, totalOffsets, leftOut } = reading;
  useEffect(() => {
    if (isComplete) return undefined;
    const timer = setTimeout(reload, AGAIN_MS);
    return () => clearTimeout(timer);
  }, [reading]);
  return html`
    <div>
      ${
        !isComplete &&
        html`<p aria-live="polite">
          The service reads the dead letters topic: ${formatNumber(readOffsets)} of
          ${' '}${formatNumber(totalOffsets)}. The list and its counts are not complete yet.
          <progress aria-label="Reading" max=${totalOffsets} value=${readOffsets} />
        </p>`
      }
      ${
        leftOut > 0 &&
        html`<p class="faint">
          The service has no memory for ${counted(leftOut, 'further dead letter')}.
          ${' '}<code>npx allocation dead-letters list</code> shows all.
        </p>`
      }
    </div>
  `;
}
