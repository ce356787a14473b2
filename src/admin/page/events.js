// The events of a chunk: page by page, searched by a field. And how one event is shown anywhere.

import { getExact, parameters, path, query, told } from './api.js';
import { button, field, h, keyed, say, show } from './dom.js';
import { clock, many, pretty } from './format.js';

const PAGE = 50;

/** Pages that are searched for an event at a time. */
const PAGES_MAX = 20;

/** Characters of an event in a line; what is longer is a click away. */
const LINE_MAX = 240;

/** `load()` shows the first page. */
export function eventList(id, signal) {
  const input = h('input', { name: 'field', size: 32, placeholder: 'level:error or $.user.id:8812', autocomplete: 'off', spellcheck: 'false', class: 'code' });
  const search = h('form', { class: 'form', role: 'search', 'aria-label': 'Events by field' }, field('Field and value', input), h('button', { type: 'submit' }, 'Search'));
  const found = h('p', { class: 'dim', role: 'status' });
  const list = h('ol', { class: 'events', 'aria-label': 'Events' });
  const more = button('More', () => load(next), { hidden: true });
  const node = h('div', {}, search, found, list, h('p', { class: 'acts' }, more));
  let shown = [];
  let next = null;
  const load = async (cursor) => {
    const wanted = input.value.trim();
    if (!cursor) shown = [];
    try {
      let page = { next: cursor };
      // A page of a search may be empty though there is a next one.
      for (let pages = 0; pages < PAGES_MAX && (pages === 0 || (!page.events.length && page.next)); pages += 1) {
        page = await getExact(path`chunks/${id}/events` + query({ limit: PAGE, cursor: page.next, field: wanted }), signal);
      }
      shown = [...shown, ...page.events];
      ({ next } = page);
      keyed(list, shown.map((event, at) => ({ event, at })), ({ event, at }) => `${wanted} ${at} ${event.time}`, ({ event }) => ({ node: eventRow(event) }));
      say(found, foundText(shown.length, page));
    } catch (problem) {
      if (!signal.aborted) say(found, `They cannot be read: ${told(problem)}.`);
    }
    show(more, next);
  };
  search.addEventListener('submit', (event) => {
    event.preventDefault();
    load();
  });
  search.hidden = !parameters('chunks/{id}/events').has('field');
  return { node, load };
}

function foundText(count, page) {
  const damaged = page.damaged_bytes ? ` ${many(page.damaged_bytes, 'damaged byte')} were skipped.` : '';
  return `${count ? many(count, 'event') : 'None found'}${page.next ? ' so far' : ''}.${damaged}`;
}

/** An event as a line that opens: whatever is in it is text. */
export function eventRow({ tag, time, record }) {
  const line = pretty(record, 0);
  const whole = h('pre', { tabindex: 0, 'aria-label': 'The whole event' });
  const details = h('details', {}, h('summary', {},
    h('time', { datetime: time, title: time }, clock(time)), h('span', { class: 'tag' }, tag),
    h('code', {}, line.length > LINE_MAX ? `${line.slice(0, LINE_MAX)}…` : line)), whole);
  details.addEventListener('toggle', () => details.open && say(whole, `${time}  ${tag}\n${pretty(record)}`));
  return h('li', {}, details);
}
