// What can be done on the page, each action through its dialog: actions.mjs CHROMIUM URL FOLDER. Run where the packages
// are. Whether it was done the parent looks up in the API, and at the destinations.

import assert from 'node:assert/strict';
import { note, please, until, withPage } from './browser.mjs';

const [chromium, url, shots] = process.argv.slice(2);

await withPage(chromium, url, shots, async (page, look, faults) => {
  const dialog = page.getByRole('dialog');
  const press = (where, button) => where.getByRole('button', { name: button, exact: true }).click();
  const confirm = async (button) => {
    const answered = page.waitForResponse((response) => response.request().method() === 'POST');
    await press(dialog, button);
    await answered;
    await dialog.waitFor({ state: 'detached' });
  };
  const act = async (where, button) => {
    await press(where, button);
    await confirm(button);
  };
  const toast = (text) => page.locator('.toasts p', { hasText: text }).first().waitFor();
  const view = (name) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click();
  const panel = (name) => page.getByRole('region', { name, exact: true });
  const row = (where, text) => where.locator('tbody tr', { hasText: text });

  note('a route is paused, and goes on');
  await page.goto(`${url}#/chunks/all`);
  const head = page.locator('.view-head');
  await act(head, 'Pause');
  await please('check route paused');
  await act(head, 'Resume');
  await please('check route flowing');

  note('so is an output');
  const central = row(panel('Destinations'), 'central');
  await act(central, 'Pause');
  await please('check output paused');
  await central.locator('.badge', { hasText: 'paused' }).waitFor();
  await act(central, 'Resume');
  await please('check output flowing');

  note('a chunk is given up, for a reason');
  await please('send web');
  await until('the chunk', async () => {
    await page.getByRole('button', { name: 'Show' }).click();
    return page.locator('td.key', { hasText: 'app.web' }).count();
  });
  await row(panel('Chunks'), 'app.web').getByRole('link').click();
  await press(head, 'Give up…');
  await look('bury');
  await press(dialog, 'Give up');
  assert.ok(await dialog.isVisible(), 'nothing is given up without a reason');
  await dialog.getByLabel('Reason').fill('nobody wants it');
  await confirm('Give up');
  await page.getByText('There is no such chunk any more').waitFor();
  await please('check buried');

  note('it is deleted when its id is typed, and not before');
  await page.goto(`${url}#/dead/all`);
  const buried = row(panel('Of route all'), 'nobody wants it');
  const id = await buried.getByRole('link').getAttribute('title');
  await press(buried, 'Delete…');
  const typed = dialog.getByLabel(`Type ${id} to confirm`);
  await typed.fill(id.slice(1));
  await press(dialog, 'Delete');
  await dialog.getByText('That is not what stands above.').waitFor();
  await look('delete');
  await please('check buried');
  await typed.fill(id);
  await confirm('Delete');
  await buried.waitFor({ state: 'detached' });
  await please(`check deleted ${id}`);

  note('dead letters are replayed by their reason');
  await please('have events refused');
  await page.goto(`${url}#/dead/audit`);
  const letters = panel('Of route audit');
  await row(letters, '422').waitFor();
  await row(letters, '400').waitFor();
  await press(letters, 'Replay all or some…');
  await dialog.getByLabel('Deliver to').selectOption('only billing');
  await dialog.getByLabel('Reason contains').fill('422');
  await dialog.getByLabel('At most so many letters').fill('5');
  await look('replay');
  await confirm('Replay');
  await panel('Replays').getByText('done: 1 of 1 letter').waitFor();
  await please('check replayed');
  await until('the list to follow', async () => (await row(letters, '422').count()) === 0);
  assert.equal(await row(letters, '400').count(), 1);

  note('a configuration that is wrong changes nothing');
  await view('Overview');
  await please('break the configuration');
  const reload = panel('This Forebay');
  await act(reload, 'Reload configuration');
  await toast('Not done: ');
  await please('check not reloaded');
  // The browser says so itself when an answer is an error: to this, and of the chunk that was given up.
  const others = faults.splice(0).filter((fault) => !/status of 4\d\d .*(\/reload|\/chunks\/\w+)$/.test(fault));
  assert.deepEqual(others, []);

  note('one that is right is taken');
  await please('remove a route');
  await act(reload, 'Reload configuration');
  await toast('routes removed: old');

  note('what the route held is adopted');
  await view('Dead letters');
  const orphan = row(panel('Orphans'), 'old');
  await orphan.waitFor();
  await row(panel('Damaged bytes'), await please('tell quarantined')).waitFor();
  await look('orphans');
  await press(orphan, 'Adopt…');
  await dialog.getByLabel('By route').selectOption('all');
  await look('adopt');
  await confirm('Adopt');
  await panel('Orphans').waitFor({ state: 'hidden' });
  await please('check adopted');
});
