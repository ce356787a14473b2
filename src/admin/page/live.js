// What happens now: events that pass, sampled, and what becomes of chunks and destinations.

import { knows, query, stream } from './api.js';
import { auditPanel } from './audit.js';
import { button, choice, field, h, say } from './dom.js';
import { eventRow } from './events.js';
import { bytes, clock, count, many, pretty, shortId, words } from './format.js';
import { panel } from './overview.js';

/** Entries that are kept in a list; older ones make room. */
const ENTRIES_MAX = 200;

/** How long until a stream that broke is tried again. */
const AGAIN_MS = 3_000;

export function liveView(main, { signal, status }) {
  main.append(h('h1', {}, 'Live'));
  if (!knows('tap', 'get')) main.append(h('p', { class: 'empty' }, 'This server has no live streams.'));
  else main.append(h('div', { class: 'halves' }, tapPanel(signal, status()), lifePanel(signal)));
  const audit = auditPanel(signal);
  main.append(audit.node);
  return { update: audit.update };
}

/** A list that grows at the top, can be paused, and is bounded. */
function tail(label) {
  const list = h('ol', { class: 'events', 'aria-label': label, tabindex: 0 });
  let [seen, lost, unseen] = [0, 0, 0];
  let isPaused = false;
  const said = h('p', { class: 'dim', role: 'status' });
  const pause = button('Pause', () => {
    isPaused = !isPaused;
    say(pause, isPaused ? 'Go on' : 'Pause');
    unseen = 0;
    told = -1;
    tell();
  }, { class: 'small' });
  const clear = button('Clear', () => list.replaceChildren(), { class: 'small' });
  let told = 0;
  const tell = (text) => {
    // What broke stays said until something comes again.
    if (text === undefined && told === seen) return;
    told = seen;
    const missed = lost ? `, ${count(lost)} missed: more came than could be shown` : '';
    say(said, text ?? (isPaused ? `Paused; ${count(unseen)} not shown.` : `${many(seen, 'entry', 'entries')} seen${missed}.`));
  };
  const miss = (missed = 0) => { lost += missed; };
  const add = (row) => {
    if (isPaused) unseen += 1;
    else list.prepend(row);
    seen += 1;
    while (list.children.length > ENTRIES_MAX) list.lastChild.remove();
  };
  // Once a second: a screen reader is told at leisure, not with each event.
  return { list, said, pause, clear, add, miss, tell };
}

/** Follows a stream until `signal`, again after it broke. */
async function follow(where, signal, onMessage, tell) {
  while (!signal.aborted) {
    try {
      for await (const message of stream(where, signal)) onMessage(message);
      tell('The stream has ended.');
    } catch (problem) {
      if (signal.aborted) return;
      tell(`The stream broke: ${problem.message}.`);
    }
    await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
  }
}

function tapPanel(signal, status) {
  const { list, said, pause, clear, add, miss, tell } = tail('Events that pass');
  const names = (things) => [['', 'all'], ...(things ?? []).map(({ name }) => [name, name])];
  const form = h('form', { class: 'form', 'aria-label': 'What to show' },
    field('Input', choice(names(status?.inputs), { name: 'input' })), field('Route', choice(names(status?.routes), { name: 'route' })),
    field('Tag', h('input', { name: 'tag', placeholder: 'app.**', autocomplete: 'off', size: 10 })),
    field('One in', h('input', { name: 'sample', type: 'number', min: 1, placeholder: '1', size: 4 })),
    h('button', { type: 'submit', class: 'primary' }, 'Start'));
  // An event is shown as it comes by an input or as a route has stored it.
  const { input, route } = form.elements;
  input.addEventListener('change', () => { route.value = ''; });
  route.addEventListener('change', () => { input.value = ''; });
  let running = null;
  const stop = button('Stop', () => end('Stopped.'), { class: 'small', disabled: true });
  const end = (text) => {
    running?.abort();
    running = null;
    stop.disabled = true;
    tell(text);
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    end();
    running = new AbortController();
    stop.disabled = false;
    const values = Object.fromEntries(new FormData(form));
    follow(`tap${query(values)}`, AbortSignal.any([signal, running.signal]), (message) => {
      miss(message.data.missed);
      add(passedRow(message.data));
    }, tell);
  });
  const every = setInterval(() => running && tell(), 1_000);
  signal.addEventListener('abort', () => clearInterval(every));
  return panel('Events that pass', form, h('p', { class: 'acts' }, stop, pause, clear), said, list);
}

function lifePanel(signal) {
  const { list, said, pause, clear, add, miss, tell } = tail('What happens to chunks and destinations');
  follow('events', signal, ({ event, data }) => (event === 'missed' ? miss(data.missed) : add(lifeRow(data))), tell);
  const every = setInterval(() => tell(), 1_000);
  signal.addEventListener('abort', () => clearInterval(every));
  return panel('What happens', h('p', { class: 'acts' }, pause, clear), said, list);
}

/** How much each kind matters; what is not here is ordinary. */
const LEVELS = {
  breaker_opened: 'bad', chunk_buried: 'bad', chunk_dropped: 'bad', damage_found: 'bad', route_full: 'bad', delivery_failed: 'warn',
  delivery_committed: 'good', breaker_closed: 'good', route_free: 'good', chunk_held: 'note', chunk_released: 'note',
  paused: 'note', resumed: 'note', replayed: 'note', reloaded: 'note',
};

function lifeRow({ at, kind, route, output, chunk, ...facts }) {
  const where = [route, output].filter(Boolean).join(' → ');
  const details = Object.entries(facts).map(([name, value]) => `${words(name)} ${typeof value === 'string' ? value : pretty(value, 0)}`);
  return h('li', { class: 'life' }, h('time', { datetime: at, title: at }, clock(at)),
    h('span', { class: 'badge', data: { level: LEVELS[kind] ?? '' } }, words(kind)), h('span', {}, where),
    chunk && h('a', { href: `#/chunk/${chunk}`, class: 'code', title: chunk }, shortId(chunk)), h('span', { class: 'dim' }, details.join(' · ')));
}

/** A passing event; a very large one comes without its record. */
function passedRow(passed) {
  if (passed.record !== undefined) return eventRow(passed);
  return h('li', { class: 'dim' }, `An event of ${bytes(passed.bytes)} is too large to be shown here.`);
}
