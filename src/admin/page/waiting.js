// A picture of what waits in a route: a column for each chunk, from the oldest to the newest. How tall it is says how
// much is in it, the row below for each destination whether that still needs it.

import { getExact, path, query } from './api.js';
import { timeToFull } from './health.js';
import { attribute, h, keyed, say, show } from './dom.js';
import { age, ago, bytes, duration, keyText, many, shortId, until, words } from './format.js';

/** Columns: the oldest ones; more could not be told apart. */
const COLUMNS_MAX = 120;

/** A column under which its age is written. */
const AGE_EVERY = 8;

const MARKS = { owed: '·', in_flight: '→', committed: '✓', rejected: '✕' };

/** The chunks of a route that wait or are under way, oldest first, as many as there are columns. */
export async function waitingChunks(route, signal) {
  const ask = (state) => getExact(path`routes/${route}/chunks` + query({ state, limit: COLUMNS_MAX }), signal);
  const pages = await Promise.all(['queued', 'in_flight', 'staged'].map(ask));
  const chunks = pages.flatMap((page) => page.chunks);
  return chunks.sort((one, other) => (one.id < other.id ? -1 : 1)).slice(0, COLUMNS_MAX);
}

/** The picture with the route's limits; `update(route, now)`, `draw(route, chunks, now)`. */
export function waitingPicture(name) {
  const summary = h('p');
  const limit = limitBar('on disk');
  const readout = h('p', { class: 'readout', 'aria-hidden': 'true' });
  const rows = h('div', { class: 'strip-rows', 'aria-hidden': 'true' });
  const columns = h('ol', { class: 'strip', 'aria-label': `Chunks of route ${name}, oldest first` });
  const picture = h('div', { class: 'picture' }, rows, columns);
  const node = h('div', { class: 'waiting' }, h('div', { class: 'facts-line' }, summary, limit.node), picture, readout);
  let rest = '';
  const point = (text) => say(readout, text ?? rest);
  roving(columns);
  for (const type of ['focusout', 'pointerleave']) columns.addEventListener(type, () => point());
  const update = (route, now) => {
    const held = ['staged', 'queued', 'in_flight'].map((state) => route[state]);
    const events = held.reduce((sum, totals) => sum + totals.events, 0);
    const chunks = held.reduce((sum, totals) => sum + totals.chunks, 0);
    const oldest = `, the oldest stored ${ago(route.oldest_chunk_created, now)}`;
    say(summary, chunks ? `${many(events, 'event')} in ${many(chunks, 'chunk')}${oldest}` : 'Nothing waits.');
    limit.update(route.used_bytes, route.limits.total_limit_size, inTime(route));
    for (const part of [picture, readout]) show(part, chunks);
  };
  const draw = (route, chunks, now) => {
    const names = route.outputs.map((output) => output.name);
    keyed(rows, ['', ...names], (text) => text, (text) => ({ node: h('span', {}, text || 'size') }));
    const largest = Math.max(1, ...chunks.map((chunk) => chunk.bytes));
    const items = chunks.map((chunk, at) => ({ chunk, at, names, largest, now }));
    keyed(columns, items, ({ chunk }) => chunk.id, () => column(point));
    if (columns.firstChild && !columns.querySelector('[tabindex="0"]')) columns.querySelector('a').tabIndex = 0;
    const all = route.staged.chunks + route.queued.chunks + route.in_flight.chunks;
    rest = all > chunks.length && chunks.length === COLUMNS_MAX ? `The oldest ${COLUMNS_MAX} are shown; ${many(all - chunks.length, 'newer chunk')} more.` : '';
    if (!columns.matches(':hover, :focus-within')) point();
  };
  return { node, update, draw };
}

function inTime(route) {
  const full_s = timeToFull(route);
  if (full_s !== null) return `full in ${duration(full_s)} at this rate`;
  return route.time_to_empty_s >= 5 ? `empty in ${duration(route.time_to_empty_s)} at this rate` : '';
}

function column(point) {
  const bar = h('span', { class: 'bar' });
  const cells = h('span', { class: 'cells' });
  const label = h('span', { class: 'age', 'aria-hidden': 'true' });
  const link = h('a', { tabindex: -1 }, bar, cells);
  const node = h('li', {}, link, label);
  let said = '';
  for (const type of ['focus', 'pointerenter']) link.addEventListener(type, () => point(said));
  const update = ({ chunk, at, names, largest, now }) => {
    const states = names.map((name) => chunk.outputs.find((output) => output.name === name) ?? { name, state: 'committed' });
    said = inWords(chunk, states, now);
    attribute(link, 'href', `#/chunk/${chunk.id}`);
    attribute(link, 'aria-label', said);
    bar.dataset.state = chunk.held ? 'held' : chunk.state;
    // By the root: a chunk of a hundredth of the largest is still to be seen.
    bar.style.height = `${Math.max(2, Math.sqrt(chunk.bytes / largest) * 44)}px`;
    keyed(cells, states, (state) => state.name, cell);
    say(label, at % AGE_EVERY === 0 ? age(chunk.created, now) : '');
    if (link.matches(':hover, :focus')) point(said);
  };
  return { node, update };
}

function cell() {
  const node = h('span', { class: 'cell', 'aria-hidden': 'true' });
  const update = ({ state }) => {
    node.dataset.state = state;
    say(node, MARKS[state]);
  };
  return { node, update };
}

function inWords(chunk, states, now) {
  const progress = states.map(({ name, state, attempts, next_attempt }) => {
    const tries = attempts && state !== 'committed' ? `, ${many(attempts, 'attempt')}` : '';
    const next = next_attempt && state === 'owed' ? `, next ${until(next_attempt, now)}` : '';
    return `${name}: ${words(state)}${tries}${next}`;
  });
  const size = `${many(chunk.events, 'event')}, ${bytes(chunk.bytes)}`;
  const state = chunk.held ? 'held' : words(chunk.state);
  return [shortId(chunk.id), state, keyText(chunk.key), size, ago(chunk.created, now), ...progress].join(' · ');
}

/** One stop for the tab key, arrow keys within. */
function roving(list) {
  list.addEventListener('keydown', (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity }[event.key];
    const links = [...list.querySelectorAll('a')];
    const at = links.indexOf(document.activeElement);
    if (!step || at < 0) return;
    event.preventDefault();
    const next = links[Math.min(links.length - 1, Math.max(0, at + step))];
    links[at].tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
}

/** What the marks mean, once for all pictures. */
export function keyOfMarks() {
  const mark = ([state, text]) => h('span', {}, h('span', { class: 'cell', data: { state }, 'aria-hidden': 'true' }, MARKS[state]), text);
  const marks = [['owed', 'owed'], ['in_flight', 'under way'], ['committed', 'delivered'], ['rejected', 'given up']].map(mark);
  return h('p', { class: 'key-of-marks' }, h('span', {}, 'A column is a chunk, the oldest on the left, tall if there is much in it.'), marks);
}

/** How much of a limit is used: `update(used, limit, remark)`. */
export function limitBar(what) {
  const meter = h('meter', { min: 0, max: 1, high: 0.8, optimum: 0, 'aria-label': `Share of the limit ${what}` });
  const text = h('span');
  const node = h('p', { class: 'limit' }, meter, text);
  const update = (used, limit, remark) => {
    meter.value = Math.min(1, used / limit);
    const part = (used / limit) * 100;
    const share = part > 0 && part < 1 ? '<1' : Math.round(part);
    say(text, `${bytes(used)} of ${bytes(limit)} ${what} (${share} %)${remark ? `, ${remark}` : ''}`);
  };
  return { node, update };
}
