// Who may do what on the page: roles.mjs CHROMIUM URL FOLDER. Run where the packages are.

import assert from 'node:assert/strict';
import { note, please, until, withPage } from './browser.mjs';

const [chromium, url, shots] = process.argv.slice(2);

await withPage(chromium, url, shots, async (page, look, faults) => {
  const dialog = page.getByRole('dialog');
  const enter = async (token) => {
    await dialog.getByLabel('Token').fill(token);
    await dialog.getByRole('button', { name: 'Go on' }).click();
  };

  note('without a token nothing is shown, and one is asked for');
  await dialog.getByRole('heading', { name: 'Token' }).waitFor();
  assert.equal(await page.locator('.card').count(), 0);
  await look('token');
  await enter('not-one-of-this-server');
  await dialog.getByText('This token was not accepted.').waitFor();

  note('who may read sees everything, and can do nothing');
  await enter(await please('tell read'));
  await page.getByText('viewer (read)').waitFor();
  const flush = page.getByRole('button', { name: 'Flush all routes' });
  assert.ok(await flush.isDisabled());

  note('who may act can');
  await page.getByRole('button', { name: 'Forget token' }).click();
  await dialog.getByRole('heading', { name: 'Token' }).waitFor();
  await enter(await please('tell admin'));
  await page.getByText('ops (admin)').waitFor();
  await until('the button', () => flush.isEnabled());
  await flush.click();
  await dialog.getByRole('button', { name: 'Flush all routes' }).click();
  await page.locator('.toasts p', { hasText: 'Nothing was staged' }).waitFor();
  assert.equal(await page.evaluate(() => Object.keys(localStorage).length), 0, 'a token goes with its tab');

  // The browser says so itself when an answer is 401; that is what this is about.
  const expected = faults.splice(0).filter((fault) => !fault.includes('status of 401'));
  assert.deepEqual(expected, []);
});
