// One chunk: what is known about it, what can be done with it, and its events.

import { actionButtons, actionButton, perform } from './actions.js';
import { blob, getExact, knows, path, post, serverNow, told } from './api.js';
import { choice, h, keyed, say, table } from './dom.js';
import { confirm } from './dialog.js';
import { eventList } from './events.js';
import { bytes, exact, keyText, many, stamp, until, words } from './format.js';
import { showState } from './chunks.js';
import { panel } from './overview.js';

/** Statuses between two looks. */
const LOOK_EVERY = 2;

export function chunkView(main, { part: id, signal, status }) {
  const state = h('span', { class: 'badge' });
  const acts = h('p', { class: 'acts' });
  const problem = h('p', { class: 'empty', role: 'status', hidden: true });
  const facts = h('dl', { class: 'facts' });
  const progress = progressTable();
  const events = eventList(id, signal);
  const body = h('div', { class: 'stack' }, panel('What is known', facts), progress.panel, panel('Events', events.node));
  const back = h('a', { class: 'back' });
  main.append(h('div', { class: 'view-head' }, h('h1', {}, 'Chunk ', h('span', { class: 'code' }, id)), state, acts), back, problem, body);
  let offered = '';
  const load = async () => {
    try {
      const chunk = await getExact(path`chunks/${id}`, signal);
      const now = serverNow();
      back.href = `#/chunks/${encodeURIComponent(chunk.route)}`;
      say(back, `← All chunks of route ${chunk.route}`);
      showState(state, chunk);
      showFacts(facts, chunk, now);
      progress.update(chunk, now);
      const doable = doableWith(chunk);
      if (offered !== doable.join()) acts.replaceChildren(...buttons(chunk, doable, status));
      offered = doable.join();
    } catch (error) {
      if (signal.aborted) return;
      // A chunk that everybody has confirmed is deleted: the usual end. A dead letter has an id of its own.
      const isGone = error.status === 404;
      say(problem, isGone ? 'There is no such chunk any more: it was delivered to everybody, moved to the dead letters, or deleted.' : told(error));
      problem.hidden = false;
      body.hidden = isGone;
      state.hidden = isGone;
      acts.replaceChildren();
      offered = '';
    }
  };
  load();
  events.load();
  document.addEventListener('acted', load, { signal });
  let looks = 0;
  return { update: () => { if (++looks % LOOK_EVERY === 0 && !body.hidden) load(); } };
}

function doableWith(chunk) {
  if (chunk.state === 'dead') return ['replay', 'drop'];
  const hold = chunk.held ? 'release' : 'hold';
  if (chunk.state === 'staged') return ['seal', hold, 'drop'];
  return chunk.held ? [hold, 'bury', 'drop'] : ['retry', hold, 'bury', 'drop'];
}

function buttons(chunk, doable, status) {
  const made = doable.flatMap((name) => {
    if (name !== 'replay') return actionButtons('chunk', { id: chunk.id }, [name]);
    return knows('chunks/{id}/replay') ? [actionButton('Replay…', 'replay', () => replay(chunk, status()))] : [];
  });
  const saved = [['raw', 'Raw bytes', 'chunk'], ['export', 'Export NDJSON', 'ndjson']].filter(([name]) => knows(`chunks/{id}/${name}`, 'get'));
  return [...made, ...saved.map(([name, label, ending]) => saveButton(chunk.id, name, label, ending))];
}

/** Asks where to, and replays a dead letter. */
export async function replay(chunk, status) {
  const outputs = status?.routes.find((route) => route.name === chunk.route)?.outputs ?? [];
  const options = choice([['', 'its route'], ...outputs.map(({ name }) => [name, `only ${name}`])]);
  const answer = await confirm({
    title: 'Replay this dead letter?', submit: 'Replay', fields: [{ name: 'output', label: 'Deliver to', options }],
    text: `Its ${many(chunk.events, 'event')} are delivered again. A destination may get what it took before.`,
  });
  if (answer) await perform(() => post(path`chunks/${chunk.id}/replay`, answer.output ? { output: answer.output } : {}));
}

/** A file of the chunk. With `fetch`, because a link could not send the token. */
function saveButton(id, name, label, ending) {
  const node = h('button', { type: 'button', class: 'small' }, label);
  node.addEventListener('click', async () => {
    node.disabled = true;
    try {
      const url = URL.createObjectURL(await blob(path`chunks/${id}/${name}`));
      h('a', { href: url, download: `${id}.${ending}` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
    } finally {
      node.disabled = false;
    }
  });
  return node;
}

function showFacts(list, chunk, now) {
  const facts = [
    ['Route', chunk.route],
    ['Key', keyText(chunk.key)],
    ['Events', exact(chunk.events)],
    ['Size', bytes(chunk.bytes) + (chunk.file_bytes ? `, ${bytes(chunk.file_bytes)} on disk` : '')],
    ['Created', stamp(chunk.created, now)],
    ['Sealed', chunk.sealed ? stamp(chunk.sealed, now) : chunk.state === 'staged' ? 'not yet: it takes events' : 'before the last start'],
    [chunk.state === 'dead' ? 'Why it is a dead letter' : 'Sealed because', chunk.reason && (chunk.state === 'dead' ? chunk.reason : words(chunk.reason))],
    ['Oldest event', chunk.oldest_event && stamp(chunk.oldest_event, now)],
    ['Newest event', chunk.newest_event && stamp(chunk.newest_event, now)],
  ];
  keyed(list, facts.filter(([, value]) => value), ([name]) => name, ([name]) => {
    const value = h('dd');
    return { node: h('div', {}, h('dt', {}, name), value), update: ([, text]) => say(value, text) };
  });
}

function progressTable() {
  const { node, body } = table('Progress at each destination', ['Destination', 'State', { text: 'Attempts', class: 'number' }, 'Next attempt', 'Last answer']);
  const whole = panel('Destinations', node);
  const update = (chunk, now) => {
    whole.hidden = chunk.outputs.length === 0;
    keyed(body, chunk.outputs.map((output) => ({ output, now })), ({ output }) => output.name, progressRow);
  };
  return { panel: whole, update };
}

function progressRow({ output: { name } }) {
  const state = h('span', { class: 'badge' });
  const [attempts, next, answer] = [h('td', { class: 'number' }), h('td'), h('td', { class: 'answer' })];
  const node = h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, state), attempts, next, answer);
  const update = ({ output, now }) => {
    state.dataset.state = output.state;
    say(state, words(output.state));
    say(attempts, output.attempts);
    say(next, output.next_attempt && output.state === 'owed' ? until(output.next_attempt, now) : '');
    say(answer, output.last_reason ?? '');
  };
  return { node, update };
}
