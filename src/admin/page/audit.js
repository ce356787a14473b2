// Who did what: the latest of the audit log.

import { get, knows, query } from './api.js';
import { h, keyed, show, table } from './dom.js';
import { clock } from './format.js';
import { panel } from './overview.js';

const ENTRIES = 50;

/** Statuses between two looks. */
const LOOK_EVERY = 3;

/** The latest actions and refused attempts; `update()` looks again now and then. */
export function auditPanel(signal) {
  const { node, body } = table('Actions and refused attempts', ['When', 'Who', 'Action', 'Of what', 'Result']);
  const none = h('p', { class: 'dim' }, 'Nothing was done.');
  const whole = panel('Who did what', none, node);
  whole.hidden = !knows('audit', 'get');
  const load = async () => {
    const page = await get(`audit${query({ limit: ENTRIES })}`, signal).catch(() => null);
    if (!page) return;
    show(none, !page.entries.length);
    show(node, page.entries.length);
    keyed(body, page.entries, (entry) => `${entry.time} ${entry.peer} ${entry.target}`, (entry) => ({ node: row(entry) }));
  };
  let looks = 0;
  const update = () => { if (!whole.hidden && looks++ % LOOK_EVERY === 0) load(); };
  return { node: whole, update };
}

function row({ time, who, peer, action, target, parameters, status, result, left_out }) {
  const more = left_out ? ` (and ${left_out} like it before)` : '';
  return h('tr', {}, h('td', {}, h('time', { datetime: time, title: time }, clock(time).slice(0, 8))),
    h('td', { title: peer }, who ?? `somebody at ${peer}`), h('th', { scope: 'row' }, action),
    h('td', { class: 'key' }, [target, parameters].filter(Boolean).join(' ')), h('td', { class: 'answer' }, `${status}: ${result}${more}`));
}
