// A real Chromium under the hand of a test, and what is watched while it runs: errors in the console, requests to
// anywhere else, what axe says about a view, and whether a view is wider than the screen.
//
// The test is the parent process. What this one cannot do it asks for by a line `please ...` on standard output, and
// goes on when a line comes back.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import assert from 'node:assert/strict';

// Run where `.ci/install` has put the packages.
const require = createRequire(`${process.cwd()}/`);
const { chromium } = require('playwright-core');
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Long enough for a loaded machine; reached only when something is wrong. */
const DEADLINE_MS = 60_000;

const DESK = { width: 1360, height: 900 };
const PHONE = { width: 375, height: 760 };

const lines = createInterface({ input: process.stdin });
const answers = lines[Symbol.asyncIterator]();

/** Asks the parent for something, and waits until it is done. */
export async function please(what) {
  process.stdout.write(`please ${what}\n`);
  const { value, done } = await answers.next();
  assert.ok(!done, `nobody answered: ${what}`);
  return value;
}

/** Says how far the test is. */
export function note(text) {
  process.stdout.write(`${text}\n`);
}

/** Opens `url`; `run(page, look, faults)` is the test. What was watched is judged at the end; where a step
 * fails there is a picture, `failure.png`. */
export async function withPage(executablePath, url, shots, run) {
  // Chromium does not start its sandbox for root; there is no page in it but ours.
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  try {
    // axe needs a script of its own in the page, which the policy forbids; that the policy is sent has its own test.
    const context = await browser.newContext({ viewport: DESK, colorScheme: 'light' });
    const page = await context.newPage();
    page.setDefaultTimeout(DEADLINE_MS);
    const faults = watch(page, url);
    await page.goto(url);
    try {
      await run(page, (name) => look(page, shots, name), faults);
    } catch (error) {
      await page.screenshot({ path: `${shots}/failure.png`, fullPage: true }).catch(() => {});
      note(`at ${page.url()}: ${faults.slice(0, 3).join('\n')}`);
      throw error;
    }
    assert.deepEqual(faults, [], 'nothing went wrong in the page');
  } finally {
    await browser.close();
    lines.close();
  }
}

function watch(page, url) {
  const faults = [];
  page.on('pageerror', (error) => faults.push(`error: ${error.stack}`));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`console: ${message.text()} ${message.location().url}`);
  });
  page.on('request', (request) => {
    const where = request.url();
    if (!where.startsWith(url) && !where.startsWith('data:') && !where.startsWith('blob:')) faults.push(`request: ${where}`);
  });
  page.on('dialog', (dialog) => faults.push(`dialog: ${dialog.message()}`));
  return faults;
}

/** Judges a view as it is, light, dark and on a phone, and keeps pictures of it. */
async function look(page, shots, name) {
  for (const [kind, viewport, colorScheme] of [['light', DESK, 'light'], ['dark', DESK, 'dark'], ['phone', PHONE, 'light']]) {
    await page.setViewportSize(viewport);
    await page.emulateMedia({ colorScheme });
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: `${shots}/${name}-${kind}.png`, fullPage: true });
    const width = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(width <= viewport.width, `${name} is ${width} px wide on a screen of ${viewport.width}`);
    await page.evaluate(AXE);
    const { violations } = await page.evaluate((values) => globalThis.axe.run(document, { runOnly: values }), RULES);
    const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((node) => node.html).join('\n  ')}`);
    assert.deepEqual(told, [], `axe on ${name}, ${kind}`);
  }
  await page.setViewportSize(DESK);
  await page.emulateMedia({ colorScheme: 'light' });
}

/** Waits until `condition` gives something. */
export async function until(what, condition) {
  const end = Date.now() + DEADLINE_MS;
  for (;;) {
    const value = await condition();
    if (value) return value;
    assert.ok(Date.now() < end, `waited for ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 50); });
  }
}
