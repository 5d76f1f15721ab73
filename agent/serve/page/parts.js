// SPDX-License-Identifier: Apache-2.0
// The parts of the page that are made of one tick, or of the report.
import { bytes, count, duration, element, group, process, scope } from '/page/words.js';

const kMostFindings = 100;
const kMostRows = 40;
const nothing = (text) => [element('p', { class: 'quiet' }, text)];

export function findings(tick) {
  const all = tick.findings;
  if (all.length === 0) return nothing('Nothing found.');
  const list = element('ul');
  for (const one of all.slice(0, kMostFindings)) {
    const link = element('a', { href: `/explain/${encodeURIComponent(one.id)}`, 'data-key': one.instance }, one.title);
    list.append(element('li', { class: one.severity }, element('b', {}, one.severity), ' ', link, ' ', element('small', {}, scope(one.scope))));
  }
  const out = [list];
  if (all.length > kMostFindings) out.push(...nothing(`and ${count(all.length - kMostFindings)} more`));
  for (const more of tick.not_listed) out.push(...nothing(`and ${count(more.count)} more of ${more.id}`));
  return out;
}

// columns: [heading, cell(row), is it a number]
function table(caption, columns, rows) {
  const head = element('tr', {}, ...columns.map(([name, , isNumber]) => element('th', isNumber ? { scope: 'col', class: 'n' } : { scope: 'col' }, name)));
  const body = element('tbody', {}, ...rows.slice(0, kMostRows).map((row) => element('tr', {}, ...columns.map(([name, cell, isNumber], i) => {
    const content = cell(row);
    if (i === 0) return element('th', { scope: 'row' }, content);
    return element('td', isNumber ? { class: 'n', 'data-name': name } : { 'data-name': name }, content);
  }))));
  const out = [element('table', { class: 'stack', 'aria-label': caption }, element('thead', {}, head), body)];
  if (rows.length > kMostRows) out.push(...nothing(`and ${count(rows.length - kMostRows)} more`));
  return out;
}

export function resources(report) {
  const names = ['utilisation', 'saturation', 'errors'];
  const words = { warning: 'warning: ', critical: 'critical: ', not_seen: 'not seen: ', absent: 'none here: ' };
  const head = ['Resource', 'Utilisation', 'Saturation', 'Errors'].map((name) => element('th', { scope: 'col' }, name));
  const body = (report.resources ?? []).map((row) => element('tr', {}, element('th', { scope: 'row' }, row.resource), ...names.map((name) => {
    const cell = row[name];
    return element('td', { class: cell.status, 'data-name': name }, cell.text ? `${words[cell.status] ?? ''}${cell.text}` : '');
  })));
  return [element('table', { class: 'stack', 'aria-label': 'utilisation, saturation and errors of each resource' }, element('thead', {}, element('tr', {}, ...head)), element('tbody', {}, ...body))];
}

export function states(tick) {
  const rows = Object.entries(tick.states).filter(([, many]) => many > 0).sort((a, b) => b[1] - a[1]);
  return rows.length === 0 ? nothing('No sockets.') : table('sockets by state', [['State', (row) => row[0]], ['Sockets', (row) => count(row[1]), true]], rows);
}

export function memory(tick) {
  const now = tick.memory;
  if (now.tcp_mem_pages === null || now.max === null) return nothing('Not seen.');
  const of = (pages) => pages * now.page_bytes;
  const meter = element('meter', { min: 0, max: now.max, low: now.min, high: now.pressure, optimum: 0, value: Math.min(now.tcp_mem_pages, now.max), 'aria-label': 'memory of TCP against its limit' });
  const rows = [['in use', now.tcp_mem_pages], ['not regulated below', now.min], ['under pressure above', now.pressure], ['no more than', now.max]];
  const out = [meter, ...table('memory of TCP on this host', [['tcp_mem', (row) => row[0]], ['Memory', (row) => bytes(of(row[1])), true]], rows)];
  if (now.under_pressure) out.unshift(element('p', { class: 'critical' }, 'TCP is under memory pressure.'));
  return out;
}

export function listeners(tick, filter) {
  const fits = (one) => filter.fits({
    words: [process(one), one.holder, one.local, one.cgroup, one.netns].filter(Boolean).join(' '),
    proc: [process(one), one.holder ?? ''], port: [String(one.local).split(':').pop()], state: ['LISTEN'],
    group: [group(one.group), one.cgroup ?? ''], netns: [one.netns ?? ''], q: one.accept_queue ?? 0, age: one.state_age_ms ?? 0,
  });
  const rows = tick.listeners.filter(fits).sort((a, b) => (b.accept_queue ?? 0) - (a.accept_queue ?? 0) || b.drops - a.drops);
  if (rows.length === 0) return nothing('No listener that the filter shows.');
  return table('listening sockets', [
    ['Address', (one) => one.local], ['Who', (one) => [one.holder ?? process(one), group(one.group)].filter(Boolean).join(', ')],
    ['Waiting', (one) => count(one.accept_queue), true], ['Limit', (one) => count(one.accept_limit), true], ['Most', (one) => count(one.accept_peak), true],
    ['Dropped', (one) => count(one.drops), true], ['netns', (one) => one.netns],
  ], rows);
}

export function groups(tick, filter) {
  const fits = (one) => filter.fits({
    words: group(one.group), group: [group(one.group)], state: Object.keys(one.states), q: one.recv_q + one.send_q,
  });
  const rows = tick.groups.filter(fits).sort((a, b) => b.rmem_bytes + b.wmem_bytes - a.rmem_bytes - a.wmem_bytes);
  if (rows.length === 0) return nothing('No group that the filter shows.');
  return table('units, containers, pods, users', [
    ['Group', (one) => group(one.group)], ['Processes', (one) => count(one.processes), true],
    ['Sockets', (one) => Object.entries(one.states).map(([state, many]) => `${state} ${count(many)}`).join(', ')],
    ['Recv-Q', (one) => bytes(one.recv_q), true], ['Send-Q', (one) => bytes(one.send_q), true],
    ['Memory', (one) => bytes(one.rmem_bytes + one.wmem_bytes), true],
  ], rows);
}

export function about(tick) {
  const own = tick.self;
  return `${tick.host.name}, Linux ${tick.host.kernel}, ${count(tick.host.cpus)} processors, ${bytes(tick.host.mem_bytes)}, up ${duration(tick.host.uptime_s * 1000)}; `
    + `the agent: ${own.cpu_percent.toFixed(1)} % of a core, ${bytes(own.rss_bytes)}`;
}
