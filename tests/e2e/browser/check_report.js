// SPDX-License-Identifier: Apache-2.0
// check_report.js CHROMIUM FOLDER REPORT.html…: opens each report as a phone and as a desktop shows it, light and dark,
// and on paper. Prints a line for each fault; what was seen is in FOLDER as PNG. Ends with 1 if there is any fault.
'use strict';
const fs = require('fs');
const path = require('path');
const { pathToFileURL } = require('url');
const { chromium } = require('playwright-core');
const { counted, expect, overflow } = require('./look.js');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const [executable, folder, ...reports] = process.argv.slice(2);
const sizes = [{ width: 1280, height: 900 }, { width: 390, height: 844 }];

function drawings() {
  const inside = (outer, inner) => inner.left >= outer.left - 1 && inner.right <= outer.right + 1;
  return [...document.querySelectorAll('svg')].map((svg) => {
    const box = svg.getBoundingClientRect();
    return {
      title: svg.querySelector('title').textContent,
      drawn: box.width > 100 && box.height > 40 && [...svg.querySelectorAll('polyline, rect')].some((e) => e.getBoundingClientRect().width > 20),
      texts: [...svg.querySelectorAll('text')].filter((t) => !inside(box, t.getBoundingClientRect())).map((t) => t.textContent),
    };
  });
}

async function look(browser, report, size, scheme) {
  const name = `${path.basename(report, '.html')}-${size.width}-${scheme}`;
  const context = await browser.newContext({ viewport: size, colorScheme: scheme });
  const page = await context.newPage();
  const url = pathToFileURL(path.resolve(report)).href;
  const requests = [];
  const messages = [];
  page.on('request', (request) => requests.push(request.url()));
  page.on('console', (message) => messages.push(message.text()));
  page.on('pageerror', (error) => messages.push(String(error)));
  page.on('dialog', (dialog) => { messages.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(url);
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  const seen = await page.evaluate(overflow);
  expect(`${name} fits its width`, !seen.scrolls && seen.wide.length === 0, seen);
  for (const drawing of await page.evaluate(drawings)) {
    expect(`${name} draws ${drawing.title}`, drawing.drawn);
    expect(`${name} keeps its letters in ${drawing.title}`, drawing.texts.length === 0, drawing.texts);
  }
  const dead = await page.evaluate(() => [...document.querySelectorAll('a')].map((a) => a.getAttribute('href'))
    .filter((href) => !href.startsWith('#') || !document.getElementById(href.slice(1))));
  expect(`${name} has links that lead somewhere in it`, dead.length === 0, dead);
  expect(`${name} has neither scripts nor frames nor images`, await page.locator('script, iframe, img, object, link').count() === 0);
  await page.evaluate(axe);
  const result = await page.evaluate(() => window.axe.run());
  const serious = result.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  expect(`${name} is accessible`, serious.length === 0,
    serious.map((v) => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary]));
  await page.emulateMedia({ media: 'print', colorScheme: scheme });
  await page.setViewportSize({ width: 718, height: 1000 });
  const printed = await page.evaluate(overflow);
  expect(`${name} fits on paper`, !printed.scrolls && printed.wide.length === 0, printed);
  expect(`${name} is dark on white on paper`, (await page.evaluate(() => getComputedStyle(document.body).backgroundColor)) === 'rgb(255, 255, 255)');
  expect(`${name} asks for nothing`, requests.every((r) => r === url), requests);
  expect(`${name} says nothing to the console`, messages.length === 0, messages);
  await context.close();
}

(async () => {
  const profile = fs.mkdtempSync(path.join(folder, 'profile-'));
  const browser = await chromium.launch({
    executablePath: executable,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--crash-dumps-dir=${profile}`],
  });
  for (const report of reports) {
    for (const size of sizes) {
      for (const scheme of ['light', 'dark']) await look(browser, report, size, scheme);
    }
  }
  await browser.close();
  console.log(`${counted.checks} checks, ${counted.faults} failures`);
  process.exit(counted.faults === 0 && counted.checks > 0 ? 0 : 1);
})().catch((error) => {
  console.log(`FAILED: ${error}`);
  process.exit(1);
});
