// Orphans: what is on disk of routes and outputs that the configuration does not name any more.

import { actionButton, actionButtons, perform } from './actions.js';
import { get, knows, path, post } from './api.js';
import { confirm } from './dialog.js';
import { choice, h, keyed, show, table } from './dom.js';
import { bytes, exact, many } from './format.js';
import { panel } from './overview.js';

/** What has nobody to deliver it; there is no panel while that is nothing. */
export function orphansPanel(signal, status) {
  const { node, body } = table('Orphans by name', ['Name', { text: 'Waiting', class: 'number' }, { text: 'Dead letters', class: 'number' }, 'Actions']);
  const words = 'The configuration names these routes or outputs no more. What they held is kept until somebody says what is to become of it.';
  const whole = panel('Orphans', h('p', { class: 'dim' }, words), node);
  whole.hidden = true;
  const load = async () => {
    const orphans = await get('orphans', signal).catch(() => null);
    if (!orphans) return;
    show(whole, orphans.length);
    keyed(body, orphans, (orphan) => orphan.name, (orphan) => ({ node: row(orphan, status) }));
  };
  if (knows('orphans', 'get')) {
    load();
    document.addEventListener('acted', load, { signal });
  }
  return whole;
}

function row(orphan, status) {
  const { name } = orphan;
  const adopt = knows('orphans/{name}/adopt') && actionButton('Adopt…', 'adopt', () => adoption(orphan, status()));
  return h('tr', {}, h('th', { scope: 'row' }, name),
    h('td', { class: 'number' }, `${many(orphan.events, 'event')}, ${bytes(orphan.bytes)}`), h('td', { class: 'number' }, exact(orphan.dead_letters)),
    h('td', { class: 'acts' }, adopt, actionButtons('orphan', { name }, ['drop'])));
}

async function adoption({ name }, status) {
  const options = choice((status?.routes ?? []).map((route) => [route.name, route.name]));
  const answer = await confirm({
    title: `Adopt ${name}?`, submit: 'Adopt', fields: [{ name: 'route', label: 'By route', options }],
    text: 'Its chunks and dead letters become those of a route, and are delivered to that route\'s outputs.',
  });
  if (answer) await perform(() => post(path`orphans/${name}/adopt`, answer));
}
