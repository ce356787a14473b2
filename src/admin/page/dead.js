// Dead letters: what was given up, why, and what to do with it.

import { actionButton, actionButtons, perform } from './actions.js';
import { get, getExact, knows, path, post, query, serverNow, told } from './api.js';
import { replay } from './chunk.js';
import { confirm } from './dialog.js';
import { button, choice, h, keyed, say, show, table } from './dom.js';
import { age, bytes, exact, keyText, many, shortId } from './format.js';
import { orphansPanel } from './orphans.js';
import { panel } from './overview.js';
import { quarantinePanel } from './quarantine.js';
import { limitBar } from './waiting.js';

const PAGE = 50;

export function deadView(main, { part, signal, status }) {
  const routes = routesTable(part);
  const replays = replayPanel(signal);
  const holder = h('div', { class: 'stack' });
  main.append(h('h1', {}, 'Dead letters'),
    h('p', { class: 'dim' }, 'What a destination refused, or what could never be stored, is kept here with its reason until somebody decides.'),
    panel('By route', routes.node), replays.node, holder, orphansPanel(signal, status), quarantinePanel(signal));
  let shown = null;
  const update = ({ status: now }) => {
    routes.update(now);
    replays.load();
    const name = part || now.routes.find((route) => route.dead.chunks > 0)?.name;
    if (!name) return;
    if (shown?.name !== name) {
      shown = { name, ...letters(name, signal, status) };
      holder.replaceChildren(shown.node);
    }
    shown.update(now.routes.find((route) => route.name === name)?.dead.chunks);
  };
  return { update };
}

function routesTable(chosen) {
  const { node, body } = table('Dead letters by route', ['Route', { text: 'Letters', class: 'number' }, { text: 'Events', class: 'number' }, 'Room']);
  const update = (status) => keyed(body, status.routes, (route) => route.name, ({ name }) => {
    const [chunks, events] = [h('td', { class: 'number' }), h('td', { class: 'number' })];
    const bar = limitBar('');
    const link = h('a', { href: `#/dead/${encodeURIComponent(name)}`, 'aria-current': name === chosen && 'true' }, name);
    const update = (route) => {
      say(chunks, exact(route.dead.chunks));
      say(events, exact(route.dead.events));
      bar.update(route.dead.bytes, route.limits.dead_letter_limit_size, '');
    };
    return { node: h('tr', {}, h('th', { scope: 'row' }, link), chunks, events, h('td', {}, bar.node)), update };
  });
  return { node, update };
}

/** The dead letters of a route; `update(count)` looks again when there are more or fewer. */
function letters(route, signal, status) {
  const found = h('p', { class: 'dim', role: 'status' });
  const shown = table(`Dead letters of route ${route}`,
    ['Letter', { text: 'Age', class: 'number' }, 'Reason', 'Key', { text: 'Events', class: 'number' }, { text: 'Size', class: 'number wide' }, 'Actions']);
  const more = button('Next page', () => load(next), { hidden: true });
  const all = [];
  if (knows('routes/{route}/dead/replay')) all.push(actionButton('Replay all or some…', 'replay', () => replayMany(route, status())));
  all.push(...actionButtons('dead', { route }, ['drop']));
  let [next, here, known] = [null, null, null];
  const load = async (cursor) => {
    here = cursor;
    try {
      const page = await getExact(path`routes/${route}/chunks` + query({ state: 'dead', limit: PAGE, cursor }), signal);
      const now = serverNow();
      keyed(shown.body, page.chunks.map((chunk) => ({ chunk, now })), ({ chunk }) => chunk.id, (item) => letterRow(item, status));
      ({ next } = page);
      show(shown.node, page.chunks.length);
      say(found, page.chunks.length ? `${many(page.chunks.length, 'letter')}${next ? ' on this page, and more' : ''}.` : 'There are none.');
    } catch (problem) {
      if (!signal.aborted) say(found, `They cannot be listed: ${told(problem)}.`);
    }
    show(more, next);
  };
  document.addEventListener('acted', () => load(), { signal });
  const update = (count) => {
    if (count !== known) load(here);
    known = count;
  };
  return { node: panel(`Of route ${route}`, h('p', { class: 'acts' }, all), found, shown.node, h('p', { class: 'acts' }, more)), update };
}

function letterRow({ chunk }, status) {
  const since = h('td', { class: 'number', title: chunk.created });
  const acts = h('td', { class: 'acts' },
    knows('chunks/{id}/replay') && actionButton('Replay…', 'replay', () => replay(chunk, status())), actionButtons('chunk', { id: chunk.id }, ['drop']));
  const attempts = chunk.outputs.filter((output) => output.attempts).map((output) => `${output.name}: ${many(output.attempts, 'attempt')}`);
  const node = h('tr', {},
    h('th', { scope: 'row' }, h('a', { href: `#/chunk/${chunk.id}`, class: 'code', title: chunk.id }, shortId(chunk.id))), since,
    h('td', { class: 'answer' }, [chunk.reason, ...attempts].join(' · ')), h('td', { class: 'key' }, keyText(chunk.key)),
    h('td', { class: 'number' }, exact(chunk.events)), h('td', { class: 'number wide' }, bytes(chunk.bytes)), acts);
  return { node, update: ({ now }) => say(since, age(chunk.created, now)) };
}

async function replayMany(route, status) {
  const outputs = status?.routes.find((one) => one.name === route)?.outputs ?? [];
  const answer = await confirm({
    title: `Replay dead letters of route ${route}?`, submit: 'Replay',
    text: 'Those that all of this is true of are delivered again; with nothing set, that is all of them.',
    fields: [
      { name: 'output', label: 'Deliver to', options: choice([['', 'the route'], ...outputs.map(({ name }) => [name, `only ${name}`])]) },
      { name: 'reason', label: 'Reason contains' },
      { name: 'limit', label: 'At most so many letters', type: 'number' },
    ],
  });
  if (!answer) return;
  const which = {};
  if (answer.reason) which.reason = answer.reason;
  if (answer.limit) which.limit = Number(answer.limit);
  await perform(() => post(path`routes/${route}/dead/replay`, answer.output ? { which, output: answer.output } : { which }));
}

/** Replays that are under way, and the last ones. */
function replayPanel(signal) {
  const list = h('ul', { class: 'replays' });
  const node = panel('Replays', list);
  node.hidden = true;
  const load = async () => {
    if (!knows('replays', 'get')) return;
    const answer = await get('replays', signal).catch(() => null);
    if (!answer) return;
    show(node, answer.length);
    keyed(list, answer, (one) => one.id, replayRow);
  };
  return { node, load };
}

function replayRow({ id }) {
  const [text, bar] = [h('span'), h('progress', { 'aria-label': 'Progress' })];
  const problems = h('p', { class: 'dim' });
  const stop = h('span', {}, knows('replays/{id}/cancel') && actionButton('Stop', 'cancel', () => perform(() => post(path`replays/${id}/cancel`))));
  const update = (one) => {
    const failed = one.failed ? `; ${many(one.failed, 'letter')} could not be replayed` : '';
    const state = one.is_running ? 'running' : one.done < one.total ? 'stopped' : 'done';
    say(text, `${one.route} to ${one.to}, ${state}: ${exact(one.done)} of ${many(one.total, 'letter')}, ${many(one.events, 'event')} stored again${failed}.`);
    say(problems, one.reasons.join('\n'));
    bar.max = Math.max(1, one.total);
    bar.value = one.done;
    show(bar, one.is_running);
    show(stop, one.is_running);
  };
  return { node: h('li', {}, text, bar, stop, problems), update };
}
