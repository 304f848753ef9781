// @ts-check
import { html, render } from '/page/lib/preact.js';
import { App } from './app.js';
import { startLive } from './live.js';

const place = document.getElementById('app');
if (place) {
  place.replaceChildren();
  render(html`<${App} />`, place);
}
startLive();
