// What happens now: events that pass, sampled, and what becomes of chunks and destinations.

import { knows, query, stream } from './api.js';
import { auditPanel } from './audit.js';
import { button, choice, field, h, say } from './dom.js';
import { eventRow } from './events.js';
import { clock, count, many, words } from './format.js';
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
  let seen = 0;
  let missed = 0;
  let isPaused = false;
  const said = h('p', { class: 'dim', role: 'status' });
  const pause = button('Pause', () => {
    isPaused = !isPaused;
    say(pause, isPaused ? 'Go on' : 'Pause');
    missed = 0;
    tell();
  }, { class: 'small' });
  const clear = button('Clear', () => list.replaceChildren(), { class: 'small' });
  const tell = (words) => say(said, words ?? (isPaused ? `Paused; ${count(missed)} not shown.` : `${many(seen, 'entry', 'entries')} seen.`));
  const add = (row) => {
    if (isPaused) missed += 1;
    else list.prepend(row);
    seen += 1;
    while (list.children.length > ENTRIES_MAX) list.lastChild.remove();
  };
  // Once a second: a screen reader is told at leisure, not with each event.
  return { list, said, pause, clear, add, tell };
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
  const { list, said, pause, clear, add, tell } = tail('Events that pass');
  const names = (things) => [['', 'all'], ...(things ?? []).map(({ name }) => [name, name])];
  const form = h('form', { class: 'form', 'aria-label': 'What to show' },
    field('Input', choice(names(status?.inputs), { name: 'input' })), field('Route', choice(names(status?.routes), { name: 'route' })),
    field('Tag', h('input', { name: 'tag', placeholder: 'app.**', autocomplete: 'off', size: 10 })),
    field('One in', h('input', { name: 'sample', type: 'number', min: 1, placeholder: '1', size: 4 })),
    h('button', { type: 'submit', class: 'primary' }, 'Start'));
  let running = null;
  const stop = button('Stop', () => end('Stopped.'), { class: 'small', disabled: true });
  const end = (words) => {
    running?.abort();
    running = null;
    stop.disabled = true;
    tell(words);
  };
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    end();
    running = new AbortController();
    stop.disabled = false;
    const values = Object.fromEntries(new FormData(form));
    follow(`tap${query(values)}`, AbortSignal.any([signal, running.signal]), (message) => {
      if (message.event === 'event') add(eventRow(message.data));
    }, tell);
  });
  const every = setInterval(() => running && tell(), 1_000);
  signal.addEventListener('abort', () => clearInterval(every));
  return panel('Events that pass', form, h('p', { class: 'acts' }, stop, pause, clear), said, list);
}

function lifePanel(signal) {
  const { list, said, pause, clear, add, tell } = tail('What happens to chunks and destinations');
  follow('events', signal, (message) => add(lifeRow(message)), tell);
  const every = setInterval(() => tell(), 1_000);
  signal.addEventListener('abort', () => clearInterval(every));
  return panel('What happens', h('p', { class: 'acts' }, pause, clear), said, list);
}

function lifeRow({ event, data }) {
  const { time, at, kind, chunk, ...facts } = data;
  const moment = time ?? at;
  const details = Object.entries(facts).map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(' · ');
  return h('li', { class: 'life' }, moment && h('time', { datetime: moment }, clock(moment)),
    h('span', { class: 'badge' }, words(kind ?? event)),
    chunk && h('a', { href: `#/chunk/${chunk}`, class: 'code' }, chunk.slice(4, 12)), h('span', {}, details));
}
