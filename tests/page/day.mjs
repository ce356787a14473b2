// An operator's day on the page: day.mjs CHROMIUM URL FOLDER. Run where the packages are.

import assert from 'node:assert/strict';
import { note, please, until, withPage } from './browser.mjs';

const [chromium, url, shots] = process.argv.slice(2);

await withPage(chromium, url, shots, async (page, look) => {
  const tile = async (name) => page.locator('.tiles > div', { has: page.getByText(name, { exact: true }) }).locator('.value').textContent();
  const card = (kind, name) => page.locator(`.card.${kind}[data-name="${name}"]`);
  const act = async (button, dialogButton) => {
    await page.getByRole('button', { name: button, exact: true }).first().click();
    await page.getByRole('dialog').getByRole('button', { name: dialogButton, exact: true }).click();
    await page.getByRole('dialog').waitFor({ state: 'detached' });
  };
  const view = (name) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click();

  note('nothing is wrong yet');
  await page.getByRole('heading', { name: 'All is well' }).waitFor();

  note('events come in, and their destination is down');
  await please('send 100');
  await until('the backlog', async () => (await tile('Waiting')) === '100');
  await page.getByRole('heading', { name: 'Events are late; none is lost' }).waitFor();
  await card('output', 'central').getByText(/^down/).waitFor();
  await page.getByText(/^central has taken nothing for .* Nothing is lost\.$/).waitFor();
  assert.match(await card('route', 'all').textContent(), /takes app\.\*\*/);
  await please('send 100');
  await until('the backlog to grow', async () => (await tile('Waiting')) === '200');
  await page.locator('.wire.broken').waitFor({ state: 'attached' });
  await page.locator('.strip li').first().waitFor();
  await look('overview');

  note('the keyboard leads to a chunk and one of its events');
  await page.evaluate(() => { document.activeElement?.blur(); scrollTo(0, 0); });
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
  await page.keyboard.press('Enter');
  assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
  await until('the picture to have the focus', async () => {
    await page.keyboard.press('Tab');
    return page.evaluate(() => document.activeElement.closest('.strip') !== null);
  });
  await page.keyboard.press('End');
  await page.keyboard.press('Home');
  const spoken = await page.evaluate(() => document.activeElement.getAttribute('aria-label'));
  assert.match(spoken, /queued · app\.web · .* · central: owed/);
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /^Chunk / }).waitFor();
  const id = page.url().split('/').at(-1);
  await page.locator('.events summary').first().focus();
  await page.keyboard.press('Enter');
  // Larger than a double can tell from its neighbour.
  const first = await please('tell first');
  await page.locator('.events pre', { hasText: `"id": ${first},` }).waitFor();
  await look('chunk');

  note('markup in an event is text');
  await please('send markup');
  await view('Chunks');
  await until('the chunk with markup', async () => {
    await page.getByRole('button', { name: 'Show' }).click();
    return page.locator('td.key', { hasText: 'app.markup' }).count();
  });
  await look('chunks');
  await page.locator('tr', { has: page.locator('td.key', { hasText: 'app.markup' }) }).getByRole('link').click();
  await page.locator('.events code', { hasText: '<script>' }).waitFor();
  await page.locator('.events summary').first().click();
  await page.locator('.events pre', { hasText: '<img src=x onerror=' }).waitFor();
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);

  note('it holds a chunk, and lets it go');
  await page.goto(`${url}#/chunk/${id}`);
  await act('Hold', 'Hold');
  await page.locator('.view-head .badge', { hasText: 'held' }).waitFor();
  await please('check held');
  await act('Release', 'Release');
  await page.locator('.view-head .badge', { hasText: 'queued' }).waitFor();

  note('the destination comes back, and everything follows');
  await view('Overview');
  await please('bring back central');
  await until('the backlog to drain', async () => (await tile('Waiting')) === '0');
  await page.getByRole('heading', { name: 'All is well' }).waitFor();
  await please('check arrived');

  note('what a destination refused is replayed');
  await please('send refused');
  await until('dead letters', async () => (await tile('Dead letters')) === '3');
  await page.getByRole('link', { name: 'Look at them' }).click();
  await page.locator('td.answer', { hasText: '422' }).first().waitFor();
  await look('dead');
  await please('make billing well');
  await act('Replay…', 'Replay');
  await until('the letter to be gone', async () => (await page.locator('tbody tr', { hasText: '422' }).count()) === 0);
  await please('check replayed');

  note('events pass live');
  await view('Live');
  await page.getByRole('button', { name: 'Start' }).click();
  // What passes before the daemon has taken the request is not shown.
  await until('events to pass', async () => {
    await please('send 5');
    return (await page.locator('.events .tag', { hasText: 'app.web' }).count()) > 0;
  });
  await page.locator('.life', { hasText: 'central' }).first().waitFor();
  await look('live');

  note('nothing moves for who wants no motion');
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await view('Overview');
  await page.locator('.wire').first().waitFor({ state: 'attached' });
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
});
