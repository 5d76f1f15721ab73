// SPDX-License-Identifier: Apache-2.0
// What both looks in a browser share: counting, and what sticks out of a page.
'use strict';

const counted = { checks: 0, faults: 0 };

// Prints a line for each fault.
function expect(what, holds, detail) {
  counted.checks += 1;
  if (holds) return;
  counted.faults += 1;
  console.log(`FAILED: ${what}${detail === undefined ? '' : `: ${JSON.stringify(detail)}`}`);
}

// Runs in the page: what sticks out to the right, but for drawings, which are cut.
function overflow() {
  const room = document.documentElement.clientWidth;
  const wide = [...document.body.querySelectorAll('*')].filter((e) => {
    const box = e.getBoundingClientRect();
    return box.width > 0 && box.right > room + 1 && !e.closest('svg, .uplot');
  });
  return { scrolls: document.documentElement.scrollWidth > room, wide: wide.slice(0, 3).map((e) => e.outerHTML.slice(0, 120)) };
}

module.exports = { counted, expect, overflow };
