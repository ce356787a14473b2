// A route: its limits, a picture of what waits, its destinations, and its chunks page by page.

import { actionButtons } from './actions.js';
import { getExact, parameters as known, path, query, serverNow, told } from './api.js';
import { button, choice, field, h, keyed, say, show, table } from './dom.js';
import { age, ago, bytes, count, exact, keyText, many, rate, shortId, until, words } from './format.js';
import { panel } from './overview.js';
import { keyOfMarks, limitBar, waitingChunks, waitingPicture } from './waiting.js';

const PAGE = 50;

/** Statuses between two looks at the chunks of the picture. */
const CHUNKS_EVERY = 2;

export function chunksView(main, { part, parameters, signal, status }) {
  const routes = status()?.routes ?? [];
  const name = part || routes[0]?.name;
  if (!name) {
    main.append(h('h1', {}, 'Chunks'), h('p', { class: 'empty' }, 'No route is known yet.'));
    return part || routes.length ? {} : { update: ({ status }) => status.routes.length && dispatchEvent(new Event('hashchange')) };
  }
  const acts = h('p', { class: 'acts' });
  const facts = h('p', { class: 'dim' });
  const picture = waitingPicture(name);
  const outputs = outputsTable(name);
  const dead = limitBar('of dead letters');
  const list = chunkList(name, parameters, signal);
  main.append(h('div', { class: 'view-head' }, h('h1', {}, `Route ${name}`), routeChoice(routes, name), acts), facts,
    panel('What waits', keyOfMarks(), picture.node, dead.node), panel('Destinations', outputs.node), panel('Chunks', list.node));
  list.load();
  let looks = 0;
  let offered = '';
  const update = ({ status, history, now }) => {
    const route = status.routes.find((one) => one.name === name);
    if (!route) return say(facts, 'The configuration names no such route.');
    say(facts, factsOf(route));
    const names = ['flush', route.paused ? 'resume' : 'pause'];
    if (offered !== names.join()) acts.replaceChildren(...actionButtons('route', { route: name }, names));
    offered = names.join();
    picture.update(route, now);
    dead.update(route.dead.bytes, route.limits.dead_letter_limit_size, many(route.dead.events, 'event'));
    outputs.update(route, history, now);
    if (looks % CHUNKS_EVERY === 0) waitingChunks(name, signal).then((chunks) => picture.draw(route, chunks, now), () => {});
    looks += 1;
  };
  return { update };
}

function routeChoice(routes, name) {
  const select = choice(routes.map((route) => [route.name, route.name]), { 'aria-label': 'Route' });
  select.value = name;
  select.addEventListener('change', () => { location.hash = `#/chunks/${encodeURIComponent(select.value)}`; });
  select.hidden = routes.length < 2;
  return select;
}

function factsOf(route) {
  const full = { block: 'senders wait', reject: 'senders are refused', drop_oldest_chunk: 'its oldest chunks are dropped' }[route.overflow];
  const safe = route.durability === 'disk' ? 'synced to the disk' : 'in the page cache: that survives a killed process, not a power cut';
  return `${route.paused ? 'Paused: it stores, and delivers nothing. ' : ''}Takes tags that match ${route.match}.`
    + ` An acknowledged event is ${safe}. When the route is full, ${full}.`;
}

function outputsTable(route) {
  const { node, body } = table(`Destinations of route ${route}`,
    ['Destination', 'State', { text: 'Owed', class: 'number' }, { text: 'Rate', class: 'number' }, { text: 'Attempts', class: 'number wide' }, { text: 'Last success', class: 'wide' }, 'Last answer', 'Actions']);
  const update = ({ outputs, paused }, history, now) => keyed(body, outputs.map((output) => ({ output, history, now, route, paused })), ({ output }) => output.name, outputRow);
  return { node, update };
}

function outputRow({ output: { name }, route }) {
  const state = h('span', { class: 'badge' });
  const cells = { owed: h('td', { class: 'number' }), rate: h('td', { class: 'number' }), attempts: h('td', { class: 'number wide' }), success: h('td', { class: 'wide' }), answer: h('td', { class: 'answer' }) };
  const acts = h('td', { class: 'acts' });
  const node = h('tr', {}, h('th', { scope: 'row' }, name), h('td', {}, state), ...Object.values(cells), acts);
  let offered = '';
  const update = ({ output, history, now, paused }) => {
    const [level, text] = stateOf(output, paused, now);
    state.dataset.level = level;
    say(state, text);
    say(cells.owed, many(output.owed_chunks, 'chunk'));
    say(cells.rate, rate(history.rate(`out:${route}:${name}`)));
    say(cells.attempts, output.retries ? `${count(output.attempts)}, ${count(output.retries)} again` : count(output.attempts));
    say(cells.success, ago(output.last_success, now));
    say(cells.answer, output.last_error ?? '');
    const names = ['retry', output.paused ? 'resume' : 'pause'];
    if (offered !== names.join()) acts.replaceChildren(...actionButtons('output', { route, output: name }, names));
    offered = names.join();
  };
  return { node, update };
}

function stateOf(output, isRoutePaused, now) {
  if (output.paused || isRoutePaused) return ['note', 'paused'];
  if (output.breaker_is_open) return ['bad', output.next_attempt ? `down, tried ${until(output.next_attempt, now)}` : 'down'];
  if (output.in_flight) return ['good', `${count(output.in_flight)} under way`];
  return ['good', output.owed_chunks ? 'takes them' : 'idle'];
}

/** The chunks with filters and pages. */
function chunkList(route, given, signal) {
  const template = 'routes/{route}/chunks';
  const filters = filterForm(template, given, () => load());
  const found = h('p', { class: 'dim', role: 'status' });
  const shown = table(`Chunks of route ${route}`,
    ['Chunk', 'State', 'Key', { text: 'Events', class: 'number' }, { text: 'Size', class: 'number' }, { text: 'Age', class: 'number' }, { text: 'Destinations', class: 'wide' }, { text: 'Last answer', class: 'wide' }]);
  const more = button('Next page', () => load(next), { hidden: true });
  const node = h('div', {}, filters.node, found, shown.node, h('p', { class: 'acts' }, more));
  let next = null;
  const load = async (cursor) => {
    let page;
    try {
      page = await getExact(path`routes/${route}/chunks` + query({ ...filters.values(), limit: PAGE, cursor }), signal);
    } catch (problem) {
      if (signal.aborted) return;
      return say(found, `They cannot be listed: ${told(problem)}.`);
    }
    const now = serverNow();
    keyed(shown.body, page.chunks.map((chunk) => ({ chunk, now })), ({ chunk }) => chunk.id, chunkRow);
    ({ next } = page);
    show(more, next);
    show(shown.node, page.chunks.length);
    say(found, `${page.chunks.length ? many(page.chunks.length, 'chunk') : 'There are none'}${cursor ? ' on this page' : ''}${next ? ', and more' : ''}.`);
  };
  document.addEventListener('acted', () => load(), { signal });
  return { node, load };
}

/** The filters that this server knows. */
function filterForm(template, given, onChange) {
  const accepted = known(template);
  const controls = {
    state: field('State', choice([['', 'any'], ...['staged', 'queued', 'in_flight', 'dead'].map((state) => [state, words(state)])], { name: 'state' })),
    key: accepted.has('key') && field('Key', h('input', { name: 'key', placeholder: 'part of the key', autocomplete: 'off' })),
    output: accepted.has('output') && field('Owed to', h('input', { name: 'output', placeholder: 'destination', autocomplete: 'off' })),
    older_than: accepted.has('older_than') && field('Older than', h('input', { name: 'older_than', placeholder: '10m', autocomplete: 'off', size: 6 })),
    order: accepted.has('order') && field('Order', choice([['', 'oldest first'], ['newest', 'newest first']], { name: 'order' })),
  };
  const node = h('form', { class: 'form', 'aria-label': 'Filters' }, Object.values(controls), h('button', { type: 'submit' }, 'Show'));
  for (const [name, value] of given) if (node.elements[name]) node.elements[name].value = value;
  node.addEventListener('submit', (event) => {
    event.preventDefault();
    onChange();
  });
  node.elements.state.addEventListener('change', onChange);
  return { node, values: () => Object.fromEntries(new FormData(node)) };
}

function chunkRow({ chunk: { id } }) {
  const link = h('a', { href: `#/chunk/${id}`, class: 'code', title: id }, shortId(id));
  const state = h('span', { class: 'badge' });
  const cells = { key: h('td', { class: 'key' }), events: h('td', { class: 'number' }), size: h('td', { class: 'number' }), age: h('td', { class: 'number' }), outputs: h('td', { class: 'wide' }), answer: h('td', { class: 'answer wide' }) };
  const node = h('tr', {}, h('th', { scope: 'row' }, link), h('td', {}, state), ...Object.values(cells));
  const update = ({ chunk, now }) => {
    showState(state, chunk);
    say(cells.key, keyText(chunk.key));
    say(cells.events, exact(chunk.events));
    say(cells.size, bytes(chunk.bytes));
    say(cells.age, age(chunk.created, now));
    cells.age.title = chunk.created;
    keyed(cells.outputs, chunk.outputs, (output) => output.name, progressLine);
    say(cells.answer, chunk.state === 'dead' ? chunk.reason : chunk.outputs.map((output) => output.last_reason).filter(Boolean)[0] ?? '');
  };
  return { node, update };
}

function progressLine() {
  const node = h('div', { class: 'progress' });
  const update = ({ name, state, attempts }) => {
    node.dataset.state = state;
    say(node, `${name}: ${words(state)}${attempts ? `, ${many(attempts, 'attempt')}` : ''}`);
  };
  return { node, update };
}

/** A chunk's state as a badge. */
export function showState(node, chunk) {
  const state = chunk.held ? 'held' : chunk.state;
  node.dataset.state = state;
  say(node, words(state));
}
