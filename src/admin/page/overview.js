// The first view: health, numbers, the flow, what waits, and the last minutes.

import { chart } from './chart.js';
import { actionButtons } from './actions.js';
import { h, keyed, say } from './dom.js';
import { flowPicture } from './flow.js';
import { ago, bytes, count, duration, rate, secondsSince } from './format.js';
import { healthPanel } from './health.js';
import { keyOfMarks, waitingChunks, waitingPicture } from './waiting.js';

/** Routes with a picture here; the others have theirs in their own view. */
const PICTURES_MAX = 8;

/** Statuses between two looks at the chunks. */
const CHUNKS_EVERY = 3;

export function overview(main, { signal }) {
  const [health, tiles, flow] = [healthPanel(), tileRow(), flowPicture()];
  const pictures = h('div', { class: 'pictures' });
  const charts = chartGrid();
  const about = aboutPanel();
  main.append(h('h1', { class: 'unseen' }, 'Overview'), health.node, tiles.node,
    panel('Flow', flow.node), panel('What waits', keyOfMarks(), pictures), panel('The last minutes', charts.node), about.node);
  let looks = 0;
  const update = ({ status, history, now }) => {
    health.update(status, now);
    tiles.update(status, history, now);
    flow.update(status, history, now);
    charts.update(status, history);
    about.update(status);
    keyed(pictures, status.routes.slice(0, PICTURES_MAX).map((route) => ({ route, now })), ({ route }) => route.name, routePicture);
    if (looks % CHUNKS_EVERY === 0) drawAll(pictures, status, now, signal);
    looks += 1;
  };
  return { update };
}

/** A section with its heading. */
export function panel(title, ...children) {
  return h('section', { class: 'panel', 'aria-label': title }, h('h2', {}, title), children);
}

function routePicture({ route }) {
  const picture = waitingPicture(route.name);
  const link = h('a', { href: `#/chunks/${encodeURIComponent(route.name)}` }, route.name);
  const node = h('article', {}, h('h3', {}, link), picture.node);
  return { node, picture, update: (item) => picture.update(item.route, item.now) };
}

/** The pictures of all routes; one whose chunks cannot be read stays as it was. */
async function drawAll(pictures, status, now, signal) {
  for (const route of status.routes.slice(0, PICTURES_MAX)) {
    const waits = route.staged.chunks + route.queued.chunks + route.in_flight.chunks;
    const chunks = waits ? await waitingChunks(route.name, signal).catch(() => null) : [];
    if (chunks) pictures.rowsByKey.get(route.name)?.picture.draw(route, chunks, now);
  }
}

function tileRow() {
  const list = h('dl', { class: 'tiles' });
  const update = (status, history, now) => {
    const sum = (pick) => status.routes.reduce((total, route) => total + pick(route), 0);
    const held = (unit) => sum((route) => route.staged[unit] + route.queued[unit] + route.in_flight[unit]);
    const oldest = status.routes.map((route) => route.oldest_chunk_created).filter(Boolean).sort()[0];
    const waiting = sum((route) => route.senders_waiting);
    keyed(list, [
      ['Coming in', rate(history.rate('in')), `${count(status.inputs.reduce((total, input) => total + input.events, 0))} events since the start`],
      ['Delivered', rate(history.rate('out')), `${count(sum((route) => route.outputs.reduce((total, output) => total + output.events_delivered, 0)))} events since the start`],
      ['Waiting', count(held('events')), `events, ${bytes(held('bytes'))}`],
      ['Oldest', oldest ? duration(secondsSince(oldest, now)) : 'none', oldest ? `stored ${ago(oldest, now)}` : 'everything is delivered', oldest],
      ['Held back', count(waiting), waiting === 1 ? 'sender' : 'senders', waiting > 0 && 'bad'],
      ['Dead letters', count(sum((route) => route.dead.events)), `events, ${bytes(sum((route) => route.dead.bytes))}`],
    ], ([name]) => name, tile);
  };
  return { node: list, update };
}

function tile([name]) {
  const [value, remark] = [h('dd', { class: 'value' }), h('dd', { class: 'dim' })];
  const update = ([, text, words, level]) => {
    say(value, text);
    say(remark, words);
    node.dataset.level = level === 'bad' ? 'bad' : '';
  };
  const node = h('div', {}, h('dt', {}, name), value, remark);
  return { node, update };
}

function chartGrid() {
  const made = {
    in: chart('Events coming in', rate), out: chart('Events delivered', rate),
    waiting: chart('Events waiting', count), size: chart('Bytes waiting', bytes, 2),
  };
  const node = h('div', { class: 'charts' }, Object.values(made).map((one) => one.node));
  const update = (status, history) => {
    const times = history.times();
    const outputs = [...new Set(status.routes.flatMap((route) => route.outputs.map((output) => output.name)))];
    made.in.update(times, status.inputs.map(({ name }) => ({ name, values: history.rates(`in:${name}`) })));
    made.out.update(times, outputs.map((name) => ({ name, values: history.rates(`out:${name}`) })));
    made.waiting.update(times, status.routes.map(({ name }) => ({ name, values: history.gauge(`waiting:${name}`) })));
    made.size.update(times, status.routes.map(({ name }) => ({ name, values: history.gauge(`waiting_bytes:${name}`) })));
  };
  return { node, update };
}

function aboutPanel() {
  const words = h('p', { class: 'dim' });
  const acts = h('p', { class: 'acts' }, actionButtons('daemon', {}, ['flush', 'verify', 'reload', 'log', 'drain']));
  const node = panel('This Forebay', words, acts);
  const update = (status) => {
    say(words, `Version ${status.version}, started ${new Date(status.started).toLocaleString()}, running for ${duration(status.uptime_s)}.`);
  };
  return { node, update };
}
