// SPDX-License-Identifier: Apache-2.0
// Chains of queues: what the program keeps → Send-Q → the wire → Recv-Q of the other end, a line per direction.
import { bytes, count, element, group, process } from '/page/words.js';

const kMost = 8;

function link(name, value, unit = bytes) {
  const holds = value > 0;
  return element('li', holds ? { class: 'holds' } : {}, element('span', {}, `${name} ${value === null || value === undefined ? '?' : unit(value)}`));
}

function direction(from, to, wire) {
  const list = element('ol');
  if (from.driver_q !== null && from.driver_q !== undefined) list.append(link('driver queue', from.driver_q));
  list.append(link(from.not_sent > 0 ? `Send-Q (not sent ${bytes(from.not_sent)})` : 'Send-Q', from.send_q));
  list.append(element('li', {}, element('span', {}, wire)));
  if (to) list.append(link('Recv-Q', to.recv_q));
  return list;
}

function wireOf(one) {
  const parts = ['wire'];
  if (one.snd_wnd !== null && one.snd_wnd !== undefined) parts.push(`window ${bytes(one.snd_wnd)}`);
  if (one.srtt_us) parts.push(`${(one.srtt_us / 1000).toFixed(one.srtt_us < 10000 ? 1 : 0)} ms`);
  return parts.join(', ');
}

function chain(one) {
  const far = one.other_end;
  const who = one.holder || process(one) || 'nobody';
  const ends = `${one.local} → ${one.remote}${far ? ` ${far.holder ?? ''}` : ''}`;
  const box = element('div', { class: 'chain' },
    element('p', {}, element('b', {}, who), ` ${ends} `, element('small', {}, [one.state, group(one.group), one.netns === 'host' ? '' : `netns ${one.netns}`].filter(Boolean).join(', '))));
  if (one.send_q > 0 || one.driver_q > 0 || far?.recv_q > 0 || !(one.recv_q > 0)) box.append(direction(one, far, wireOf(one)));
  if (one.recv_q > 0 || far?.send_q > 0 || far?.driver_q > 0) {
    const back = far ? direction(far, one, 'wire') : element('ol', {}, element('li', {}, element('span', {}, 'from the peer')), link('Recv-Q', one.recv_q));
    box.append(back);
  }
  if (one.waits_for_text) box.append(element('p', { class: 'quiet' }, one.waits_for_text));
  return box;
}

const queued = (one) => one.send_q + one.recv_q + (one.driver_q ?? 0) + (one.other_end ? one.other_end.send_q + one.other_end.recv_q + (one.other_end.driver_q ?? 0) : 0);

export function trait(one) {
  const far = one.other_end ?? {};
  const holder = process(one);
  const port = (end) => String(end ?? '').split(':').pop();
  return {
    words: [holder, one.holder, one.local, one.remote, one.state, one.cgroup, one.netns, far.holder].filter(Boolean).join(' '),
    proc: [holder, one.holder ?? '', far.holder ?? ''],
    port: [port(one.local), port(one.remote)],
    state: [one.state],
    peer: [one.remote ?? ''],
    group: [group(one.group), one.cgroup ?? ''],
    netns: [one.netns ?? ''],
    q: queued(one),
    age: one.state_age_ms ?? 0,
  };
}

export function chains(tick, filter) {
  const all = tick.connections.filter((one) => queued(one) > 0 && filter.fits(trait(one)));
  const out = all.slice(0, kMost).map(chain);
  if (all.length > kMost) out.push(element('p', { class: 'quiet' }, `and ${count(all.length - kMost)} more with bytes in a queue`));
  if (all.length === 0) out.push(element('p', { class: 'quiet' }, 'No connection that the filter shows has bytes in a queue.'));
  if (tick.connections_not_shown > 0) out.push(element('p', { class: 'quiet' }, `${count(tick.connections_not_shown)} connections with shorter queues are not sent to this page.`));
  return out;
}
