// SPDX-License-Identifier: Apache-2.0
// Numbers and names as people read them. What comes from outside is put in as text, never as markup.

export function bytes(value) {
  if (value === null || value === undefined) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

export function count(value) {
  return value === null || value === undefined ? '' : value.toLocaleString('en');
}

export function duration(ms) {
  const s = Math.round(ms / 1000);
  if (s < 120) return `${s} s`;
  return s < 7200 ? `${Math.round(s / 60)} min` : `${Math.round(s / 3600)} h`;
}

export function time(unix) {
  return new Date(unix * 1000).toLocaleTimeString('en-GB');
}

// Characters that would draw over, or turn around, what stands beside them.
export function printable(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd');
}

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  for (const child of children) {
    made.append(child instanceof Node ? child : document.createTextNode(printable(child ?? '')));
  }
  return made;
}

// Puts the new content in place of the old. Where that would take the focus away, the same link of the new one gets it.
export function replace(place, ...children) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...children);
  if (focused === undefined) return;
  const again = [...place.querySelectorAll('[data-key]')].find((e) => e.dataset.key === focused);
  (again ?? place).focus({ preventScroll: true });
}

export function process(holder) {
  return holder.comm ? `${holder.comm}[${holder.pid}]` : holder.holder ?? '';
}

export function group(one) {
  return one ? `${one.kind} ${one.name}` : '';
}

// "web[42] in unit web.service, listening on 0.0.0.0:80, netns blue"
export function scope(one) {
  const parts = [];
  const who = process(one);
  const where = group(one.group);
  if (who || where) parts.push(who && where ? `${who} in ${where}` : who || where);
  if (one.local) parts.push(one.local);
  if (one.remote) parts.push(`to ${one.remote}`);
  if (one.count > 1) parts.push(`${count(one.count)} sockets`);
  if (one.netns && one.netns !== 'host') parts.push(`netns ${one.netns}`);
  return parts.join(', ') || 'this host';
}
