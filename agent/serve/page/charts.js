// SPDX-License-Identifier: Apache-2.0
// Courses of the last hour, drawn by uPlot. They come once from /api/v1/history, then a point with each tick.
import { bytes, count, element, time } from '/page/words.js';

const kHour = 3600;
const perSecond = (value) => `${count(Math.round(value * 10) / 10)}/s`;
const whole = (value) => count(Math.round(value));
const pictures = [
  { title: 'Findings', form: whole, lines: { critical: 'critical', warning: 'warning' } },
  { title: 'Bytes in queues', form: bytes, lines: { driver_q: 'driver queue', send_q: 'Send-Q', recv_q: 'Recv-Q' } },
  { title: 'Sockets', form: whole, lines: { established: 'ESTABLISHED', close_wait: 'CLOSE_WAIT', time_wait: 'TIME_WAIT', fin_wait: 'FIN_WAIT', syn_recv: 'SYN_RECV' } },
  { title: 'Memory of TCP', form: bytes, lines: { memory: 'all sockets' } },
  { title: 'Sent again and refused', form: perSecond, lines: { retransmits: 'retransmits', resets_sent: 'resets', listen_drops: 'dropped by listeners' } },
  { title: 'Segments sent', form: perSecond, lines: { segments_out: 'segments' } },
];

let names = [];
let columns = [[]];
let step = 2;
let drawn = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

// A hole of several slots is one in the line as well.
function withHoles(rows) {
  const out = rows.map(() => []);
  rows[0].forEach((ts, i) => {
    if (i > 0 && ts - rows[0][i - 1] > Math.max(5 * step, 15)) out.forEach((row, k) => row.push(k === 0 ? rows[0][i - 1] + step : null));
    out.forEach((row, k) => row.push(rows[k][i]));
  });
  return out;
}

function dataOf(picture) {
  const wanted = Object.keys(picture.lines).map((name) => columns[names.indexOf(name) + 1] ?? []);
  return withHoles([columns[0], ...wanted]);
}

function optionsOf(picture, width) {
  const axis = { stroke: colour('--quiet'), grid: { stroke: colour('--line'), width: 1 }, ticks: { stroke: colour('--line'), width: 1 }, font: '11px system-ui' };
  const colours = ['--a', '--b', '--c', '--d', '--e'];
  const own = { critical: '--critical', warning: '--warning' };
  return {
    width,
    height: 170,
    cursor: { y: false, drag: { x: false, y: false } },
    scales: { x: { range: (_, low, high) => [Math.min(low ?? high, high - 300), high] }, y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((at) => time(at).slice(0, 5)), space: 60 },
      { ...axis, values: (_, ticks) => ticks.map((v) => (picture.form === whole && v !== Math.round(v) ? '' : picture.form(v))), size: 68 },
    ],
    series: [
      { label: 'at', value: (_, at) => (at === null || at === undefined ? '' : time(at)) },
      ...Object.entries(picture.lines).map(([name, label], i) => ({
        label, stroke: colour(own[name] ?? colours[i]), width: 1.5, points: { show: columns[0].length < 3 }, value: (_, v) => (v === null || v === undefined ? '–' : picture.form(v)),
      })),
    ],
  };
}

function summary(picture) {
  return Object.entries(picture.lines).map(([name, label]) => {
    const seen = (columns[names.indexOf(name) + 1] ?? []).filter((v) => v !== null);
    return seen.length === 0 ? `${label}: not seen` : `${label}: now ${picture.form(seen.at(-1))}, at most ${picture.form(Math.max(...seen))}`;
  }).join('; ');
}

// Where nobody points, the legend has the latest values.
function latestInLegend(plot) {
  if (plot.cursor.idx === null || plot.cursor.idx === undefined) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
}

// Anew: after a load of the history, a change of the width, or of light and dark.
export function draw() {
  const place = document.getElementById('charts');
  for (const one of drawn) one.plot.destroy();
  drawn = pictures.map((picture) => {
    const box = element('div', { role: 'img' });
    return { picture, box, figure: element('figure', {}, element('figcaption', {}, picture.title), box) };
  });
  place.replaceChildren(...drawn.map((one) => one.figure));
  for (const one of drawn) {
    one.plot = new window.uPlot(optionsOf(one.picture, Math.max(200, one.box.clientWidth)), dataOf(one.picture), one.box);
    latestInLegend(one.plot);
    one.box.setAttribute('aria-label', summary(one.picture));
  }
}

export async function loadHistory() {
  const answer = await fetch('/api/v1/history');
  if (!answer.ok) return;
  const history = await answer.json();
  step = history.step_s;
  names = history.courses.map((course) => course.name);
  columns = [history.ts, ...history.courses.map((course) => course.points)];
  draw();
}

// [ts, a value per course]. The slot of the last point may come again, with larger values.
export function addPoint(point) {
  if (names.length === 0 || point.length !== columns.length) return;
  const last = columns[0].length - 1;
  if (last >= 0 && columns[0][last] > point[0]) {  // the host's clock was set back, and the agent has dropped what came later
    loadHistory().catch(() => {});
    return;
  }
  const isSame = last >= 0 && columns[0][last] === point[0];
  columns.forEach((column, i) => {
    if (isSame) column[last] = point[i];
    else column.push(point[i]);
    while (column.length > kHour / step) column.shift();
  });
  for (const one of drawn) {
    one.plot.setData(dataOf(one.picture));
    latestInLegend(one.plot);
    one.box.setAttribute('aria-label', summary(one.picture));
  }
}
