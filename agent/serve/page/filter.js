// SPDX-License-Identifier: Apache-2.0
// What is typed to see a part of the lists, as in `watch`: words, proc:nginx, port:443, state:close-wait, peer:10.0,
// group:web, netns:blue, q>64K, age>60s, /regular expression/. All terms must fit.
// An item: {words, proc, port, state, peer, group, netns: lists of text; q, age: numbers}; what it lacks is passed over.

const fields = ['proc', 'port', 'state', 'peer', 'group', 'netns', 'q', 'age'];
const compared = { '<': (a, b) => a < b, '<=': (a, b) => a <= b, '>': (a, b) => a > b, '>=': (a, b) => a >= b, '=': (a, b) => a === b };
const sizes = { '': 1, k: 1024, m: 1024 ** 2, g: 1024 ** 3 };
const times = { ms: 1, s: 1000, m: 60000, h: 3600000, '': 1000 };

const bare = (text) => text.toLowerCase().replace(/[-_ ]/g, '');
// 812 is not 8123, and 10.0 is the beginning of 10.0.0.7 but not of 10.01.1.1.
const begins = (text, wanted) => {
  const whole = text.replace(/^\[/, '');
  return whole.startsWith(wanted) && (/[.:]$/.test(wanted) || whole.length === wanted.length || /[.:\]]/.test(whole[wanted.length]));
};

function number(text, units) {
  const parts = /^(\d+(?:\.\d+)?)([a-z]*)$/i.exec(text);
  const unit = parts ? units[parts[2].toLowerCase().replace(/i?b$/, '')] : undefined;
  return unit === undefined ? NaN : Number(parts[1]) * unit;
}

function keyed(field, value) {
  const wanted = value.toLowerCase();
  const fits = {
    proc: (text) => (/^\d+$/.test(wanted) ? text.endsWith(`[${wanted}]`) : text.toLowerCase().includes(wanted)),
    port: (text) => text === wanted,
    state: (text) => bare(text).startsWith(bare(wanted)),
    peer: (text) => begins(text, wanted),
    group: (text) => text.toLowerCase().includes(wanted),
    netns: (text) => text.toLowerCase().includes(wanted),
  }[field];
  return (item) => item[field] === undefined || item[field].some(fits);
}

function term(word) {
  const regex = /^\/(.+)\/$/.exec(word);
  if (regex) {
    const pattern = new RegExp(regex[1], 'i');
    return (item) => pattern.test(item.words);
  }
  const parts = /^([a-z]+)(:|<=|>=|<|>|=)(.*)$/.exec(word);
  if (!parts) return (item) => item.words.toLowerCase().includes(word.toLowerCase());
  const [, field, sign, value] = parts;
  if (!fields.includes(field)) throw new Error(`there is no '${field}'; what there is: ${fields.join(', ')}`);
  if (value === '') throw new Error(`${field}: what of it?`);
  const isNumber = field === 'q' || field === 'age';
  if (isNumber !== (sign !== ':')) throw new Error(isNumber ? `write ${field}>…, for example ${field === 'q' ? 'q>64K' : 'age>60s'}` : `write ${field}:${value}`);
  if (!isNumber) return keyed(field, value);
  const wanted = number(value, field === 'q' ? sizes : times);
  if (Number.isNaN(wanted)) throw new Error(`'${value}' is not ${field === 'q' ? 'a size: write for example q>64K' : 'a time: write for example age>60s'}`);
  return (item) => item[field] === undefined || compared[sign](item[field], wanted);
}

// {fits(item), problem}: of a wrong text everything fits.
export function filterOf(text) {
  try {
    const terms = text.trim().split(/\s+/).filter(Boolean).map(term);
    return { fits: (item) => terms.every((one) => one(item)), problem: '' };
  } catch (error) {
    return { fits: () => true, problem: error.message };
  }
}
