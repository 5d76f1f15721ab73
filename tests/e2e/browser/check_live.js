// SPDX-License-Identifier: Apache-2.0
// check_live.js CHROMIUM FOLDER PORT SERVE_PID TCPFAULT: the live page of a running `tcpadvisor serve`, while a fault
// begins and when the agent is gone. Prints a line for each fault; what was seen is in FOLDER as PNG.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const http = require('http');
const path = require('path');
const { chromium } = require('playwright-core');
const { counted, expect, overflow } = require('./look.js');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const [executable, folder, port, serve, tcpfault] = process.argv.slice(2);
const home = `http://127.0.0.1:${port}/`;

function get(where) {
  return new Promise((done) => {
    http.get(home + where, (answer) => {
      let text = '';
      answer.on('data', (part) => { text += part; });
      answer.on('end', () => done({ status: answer.statusCode, headers: answer.headers, text }));
    }).on('error', () => done({ status: 0, text: '' }));
  });
}

async function until(what, works, seconds) {
  for (let i = 0; i < seconds * 10; i += 1) {
    if (await works()) return true;
    await new Promise((done) => { setTimeout(done, 100); });
  }
  expect(what, false, `not within ${seconds} s`);
  return false;
}

async function open(browser, width, scheme) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme });
  const page = await context.newPage();
  const seen = { page, context, requests: [], messages: [] };
  page.on('request', (request) => seen.requests.push(request.url()));
  page.on('console', (message) => seen.messages.push(message.text()));
  page.on('pageerror', (error) => seen.messages.push(String(error)));
  page.on('dialog', (dialog) => { seen.messages.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  await page.goto(home);
  await page.locator('#link.on').waitFor({ timeout: 15000 });
  await page.locator('#charts canvas').first().waitFor({ timeout: 15000 });
  await page.locator('#use tbody tr').first().waitFor({ timeout: 15000 });
  return seen;
}

async function look(seen, name) {
  const { page } = seen;
  const wide = await page.evaluate(overflow);
  expect(`${name} fits its width`, !wide.scrolls && wide.wide.length === 0, wide);
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
  await page.evaluate(() => window.scrollTo(0, 0));
  await page.screenshot({ path: path.join(folder, `${name}-top.png`) });
  expect(`${name} asks its own host only`, seen.requests.every((url) => url.startsWith(home)), seen.requests.filter((url) => !url.startsWith(home)));
  expect(`${name} says nothing to the console`, seen.messages.length === 0, seen.messages);
}

async function accessible(seen, name) {
  // evaluate() is the debugger's; the page's own policy would let no such script in
  await seen.page.evaluate(axe);
  const result = await seen.page.evaluate(() => window.axe.run());
  const serious = result.violations.filter((v) => ['serious', 'critical'].includes(v.impact));
  expect(`${name} is accessible`, serious.length === 0, serious.map((v) => [v.id, v.nodes[0].html.slice(0, 160), v.nodes[0].failureSummary]));
}

// The ticks that the page has shown when the fault is in its text, beside those of the API.
async function fault_shows(page) {
  await page.evaluate(() => {
    window.ticks = [];
    new EventSource('/api/v1/events').addEventListener('tick', (event) => {
      const tick = JSON.parse(event.data);
      const inApi = tick.findings.some((one) => one.id === 'close-wait-leak');
      const inPage = () => [...document.querySelectorAll('#findings a')].some((a) => a.pathname === '/explain/close-wait-leak');
      window.ticks.push({ inApi, inPage: inPage() });
    });
  });
  const child = spawn(tcpfault, ['close-wait', '--own-netns', '--hold', '120s'], { stdio: 'ignore' });
  await until('the page shows the fault', () => page.evaluate(() => window.ticks.some((one) => one.inApi) && window.ticks.some((one) => one.inPage)), 40);
  const ticks = await page.evaluate(() => window.ticks);
  const late = ticks.findIndex((one) => one.inPage) - ticks.findIndex((one) => one.inApi);
  expect('the fault was not there before', ticks.length > 0 && !ticks[0].inApi, ticks.length);
  expect('the fault shows within two ticks', late <= 2, late);
  return child;
}

async function keyboard(page) {
  await page.keyboard.press('Tab');
  expect('the first stop leads to the findings', await page.evaluate(() => document.activeElement.className === 'skip'));
  await page.keyboard.press('Enter');
  await page.keyboard.press('Tab');
  const focused = () => page.evaluate(() => ({ path: document.activeElement.pathname ?? '', ring: getComputedStyle(document.activeElement).outlineStyle }));
  const first = await focused();
  expect('then a link of a finding, with a ring', first.path.startsWith('/explain/') && first.ring === 'solid', first);
  const drawn = await page.locator('#link').textContent();
  await until('a tick passes', async () => (await page.locator('#link').textContent()) !== drawn, 10);
  expect('it keeps the focus when the list is made anew', (await focused()).path === first.path, await focused());
  await page.keyboard.press('/');
  expect('/ leads to the filter', await page.evaluate(() => document.activeElement.id === 'filter'));
}

async function filter(page) {
  const shown = () => page.locator('#queues .chain, #listeners tbody tr').count();
  const all = await shown();
  await page.fill('#filter', 'proc:no-such-program');
  expect('a filter leaves nothing of what does not fit', all > 0 && await shown() === 0, all);
  await page.fill('#filter', 'q>much');
  expect('a wrong one is told', (await page.locator('#filter-problem').textContent()).includes('q>64K'));
  expect('and hides nothing', await shown() > 0);
  await page.fill('#filter', '<img');
  expect('names can be asked for', await shown() > 0);
  await page.fill('#filter', '');
}

(async () => {
  const profile = fs.mkdtempSync(path.join(folder, 'profile-'));
  await until('serve is ready', async () => (await get('readyz')).status === 200, 30);
  const policy = (await get('')).headers['content-security-policy'] ?? '';
  expect('the policy lets nothing in from elsewhere', policy.startsWith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"), policy);
  const browser = await chromium.launch({
    executablePath: executable,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync', `--crash-dumps-dir=${profile}`],
  });
  const wide = await open(browser, 1280, 'light');
  const fault = await fault_shows(wide.page);
  await keyboard(wide.page);
  await filter(wide.page);
  const text = await wide.page.locator('body').textContent();
  expect('a name that is markup is text', text.includes('<img src=x>') && await wide.page.locator('img').count() === 0);
  await until('charts have points', () => wide.page.evaluate(() => document.querySelectorAll('#charts figure').length === 6 && [...document.querySelectorAll('#charts [role=img]')].every((e) => e.ariaLabel.includes('now'))), 10);
  await look(wide, 'wide-light');
  await accessible(wide, 'wide-light');
  const narrow = await open(browser, 390, 'dark');
  expect('dark is dark', (await narrow.page.evaluate(() => getComputedStyle(document.body).backgroundColor)) === 'rgb(20, 23, 27)');
  await look(narrow, 'narrow-dark');
  await accessible(narrow, 'narrow-dark');

  await narrow.page.locator('#findings a').first().click();
  await narrow.page.waitForURL('**/explain/*');
  const words = (await narrow.page.locator('main').textContent()).length;
  expect('the explanation explains', words > 300, words);
  await look(narrow, 'explanation');

  process.kill(Number(serve));
  await until('the page says that it is not connected', async () => /not connected since \d\d:\d\d:\d\d/.test(await wide.page.locator('#link').textContent()), 20);
  expect('what was found stays', await wide.page.locator('#findings a').count() > 0);
  fault.kill();
  await browser.close();
  console.log(`${counted.checks} checks, ${counted.faults} failures`);
  process.exit(counted.faults === 0 && counted.checks > 0 ? 0 : 1);
})().catch((error) => {
  console.log(`FAILED: ${error}`);
  process.exit(1);
});
