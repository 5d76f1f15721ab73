// SPDX-License-Identifier: Apache-2.0
// The live page: what comes by /api/v1/events, shown. Nothing is decided here.
import { chains } from '/page/chains.js';
import { addPoint, draw, loadHistory } from '/page/charts.js';
import { filterOf } from '/page/filter.js';
import * as parts from '/page/parts.js';
import { replace, time } from '/page/words.js';

const at = (id) => document.getElementById(id);
const kReportEveryMs = 5000;  // it is larger than a tick, and its table changes more slowly
const kRetryMs = 2000;
const kSilentMs = 15000;  // or five ticks, where these are rarer

let tick;
let shownTick = 0;
let filter = filterOf('');
let reportAt = -Infinity;
let reportOf = '';
let lastSign = 0;
let apartMs = 0;
let lostAt = 0;
let events;

function say(isOn, text) {
  const place = at('link');
  place.className = isOn ? 'on' : 'off';
  // Readers of the screen hear a change of the connection, not each second.
  place.setAttribute('aria-live', isOn ? 'off' : 'polite');
  if (place.textContent !== text) place.textContent = text;
}

function showLists() {
  replace(at('queues'), ...chains(tick, filter));
  replace(at('listeners'), ...parts.listeners(tick, filter));
  replace(at('groups'), ...parts.groups(tick, filter));
}

async function showReport() {
  const now = performance.now();
  const found = tick.findings.map((one) => one.instance + one.severity).join();
  if (now - reportAt < kReportEveryMs && found === reportOf) return;
  reportAt = now;
  reportOf = found;
  const answer = await fetch('/api/v1/report');
  if (answer.ok) replace(at('use'), ...parts.resources(await answer.json()));
}

// Of what is hidden nothing is drawn.
function show() {
  if (!tick || document.hidden || shownTick === tick.ts) return;
  shownTick = tick.ts;
  const worst = ['critical', 'warning'].map((severity) => [severity, tick.findings.filter((one) => one.severity === severity).length]).find(([, many]) => many > 0);
  document.title = `${worst ? `${worst[1]} ${worst[0]}: ` : ''}tcpadvisor: ${tick.host.name}`;
  at('about').textContent = parts.about(tick);
  replace(at('findings'), ...parts.findings(tick));
  replace(at('states'), ...parts.states(tick));
  replace(at('memory'), ...parts.memory(tick));
  showLists();
  showReport().catch(() => { reportAt = -Infinity; });
}

function lost() {
  lostAt ||= Date.now() / 1000;
  say(false, `not connected since ${time(lostAt)}; what is shown is older`);
}

function connect() {
  events?.close();
  const mine = new EventSource('/api/v1/events');
  events = mine;
  lastSign = performance.now();
  mine.addEventListener('open', () => { loadHistory().catch(() => {}); });
  mine.addEventListener('tick', (event) => {
    const before = tick?.ts;
    tick = JSON.parse(event.data);
    if (before) apartMs = Math.max(0, tick.ts - before) * 1000;
    lastSign = performance.now();
    lostAt = 0;
    at('live').hidden = false;
    say(true, `live, ${time(tick.ts)}`);
    show();
  });
  mine.addEventListener('course', (event) => addPoint(JSON.parse(event.data)));
  mine.addEventListener('error', () => {
    lost();
    // After an answer that is no stream a browser does not try again.
    if (mine.readyState === EventSource.CLOSED && mine === events) setTimeout(connect, kRetryMs);
  });
}

// A host that vanishes says nothing at all.
setInterval(() => {
  if (performance.now() - lastSign < Math.max(kSilentMs, 5 * apartMs)) return;
  lost();
  connect();
}, 1000);

at('filter').addEventListener('input', () => {
  filter = filterOf(at('filter').value);
  at('filter-problem').textContent = filter.problem;
  at('filter').setAttribute('aria-invalid', String(filter.problem !== ''));
  if (tick) showLists();
});
at('ask').addEventListener('submit', (event) => event.preventDefault());
document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.target === at('filter') || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  at('filter').focus();
});
document.addEventListener('visibilitychange', show);
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
let width = 0;
new ResizeObserver(([box]) => {
  const now = Math.round(box.contentRect.width);
  if (now === width) return;
  width = now;
  if (tick) draw();
}).observe(at('charts'));
connect();
