// Damaged bytes that were set aside: they are kept, and not delivered.

import { get, knows, query, serverNow } from './api.js';
import { button, h, keyed, show, table } from './dom.js';
import { bytes, stamp } from './format.js';
import { panel } from './overview.js';

const PAGE = 50;

/** What the quarantine holds; there is no panel while it is empty. */
export function quarantinePanel(signal) {
  const { node, body } = table('Damaged bytes that were set aside', ['Name', { text: 'Size', class: 'number' }, 'Set aside']);
  const more = button('Next page', () => load(next), { hidden: true });
  const words = 'What failed its checksum is kept here under where it was, and everything around it is delivered. Look at the disk;'
    + ' the files are under quarantine/ in the data directory.';
  const whole = panel('Damaged bytes', h('p', { class: 'dim' }, words), node, h('p', { class: 'acts' }, more));
  whole.hidden = true;
  let next = null;
  const load = async (cursor) => {
    const page = await get(`quarantine${query({ limit: PAGE, cursor })}`, signal).catch(() => null);
    if (!page) return;
    ({ next } = page);
    show(whole, cursor || page.files.length);
    show(more, next);
    const now = serverNow();
    keyed(body, page.files, (file) => file.name, (file) => ({
      node: h('tr', {}, h('th', { scope: 'row', class: 'code' }, file.name), h('td', { class: 'number' }, bytes(file.bytes)),
        h('td', {}, file.set_aside ? stamp(file.set_aside, now) : '')),
    }));
  };
  if (knows('quarantine', 'get')) load();
  return whole;
}
