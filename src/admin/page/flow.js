// The flow as a picture: inputs, filters, routes, destinations, and wires between them. The cards say everything in
// words; the wires only repeat it and are hidden from screen readers, and from narrow screens.

import { attribute, h, keyed, say, show, svg } from './dom.js';
import { bytes, count, duration, many, rate, secondsSince, until } from './format.js';

/** `update(status, history, now)`. */
export function flowPicture() {
  const columns = ['Inputs', 'Filters', 'Routes', 'Destinations'].map(flowColumn);
  const [inputs, filters, routes, outputs] = columns;
  const wires = svg('svg', { class: 'wires', 'aria-hidden': 'true' });
  const node = h('div', { class: 'flow' }, wires, columns.map((column) => column.node));
  let edges = [];
  const redraw = () => drawWires(node, wires, edges);
  new ResizeObserver(redraw).observe(node);
  const update = (status, history, now) => {
    const context = { history, now, status };
    const fill = (column, items, create) => {
      keyed(column.list, items.map((item) => ({ ...item, ...context, item })), ({ item }) => item.name, create);
    };
    fill(inputs, status.inputs, inputCard);
    fill(filters, status.filters ?? [], filterCard);
    fill(routes, status.routes, routeCard);
    fill(outputs, destinations(status), outputCard);
    show(filters.node, status.filters?.length);
    edges = edgesOf(status, history);
    redraw();
  };
  return { node, update };
}

function flowColumn(title) {
  const list = h('ul');
  return { list, node: h('section', { class: `column ${title.toLowerCase()}`, 'aria-label': title }, h('h3', {}, title), list) };
}

/** Outputs by name: one may serve several routes. */
function destinations(status) {
  const byName = new Map();
  for (const route of status.routes) {
    for (const output of route.outputs) {
      if (!byName.has(output.name)) byName.set(output.name, { name: output.name, links: [] });
      byName.get(output.name).links.push({ route, output });
    }
  }
  return [...byName.values()];
}

/** A card: name, a large value, badges and lines. */
function card(name, kind, href) {
  const title = h(href ? 'a' : 'span', { class: 'name', href }, name);
  const [value, badges, lines] = [h('strong', { class: 'rate' }), h('span', { class: 'badges' }), h('ul', { class: 'lines' })];
  const node = h('li', { class: `card ${kind}`, data: { name } }, h('p', { class: 'card-head' }, title, value), badges, lines);
  const update = (rateText, marks, texts) => {
    say(value, rateText);
    keyed(badges, marks.filter(Boolean), ([level, text]) => level + text.replace(/\d+/g, '#'), badge);
    keyed(lines, texts.filter(Boolean).map((text, at) => ({ text, at })), ({ at }) => at, textLine);
    const worst = ['bad', 'warn', 'note'].find((level) => marks.some((mark) => mark && mark[0] === level));
    attribute(node, 'data-level', worst);
  };
  return { node, update };
}

function badge() {
  const node = h('span', { class: 'badge' });
  return { node, update: ([level, text]) => { node.dataset.level = level; say(node, text); } };
}

function textLine() {
  const node = h('li');
  return { node, update: ({ text }) => say(node, text) };
}

function inputCard({ item }) {
  const { node, update } = card(item.name, 'input');
  return { node, update: ({ item: input, history }) => update(rate(history.rate(`in:${input.name}`)), [
    input.stuck && ['warn', 'stuck'],
  ], [
    input.listen ? `${input.type} on ${input.listen}` : input.type,
    input.connections_max > 0 && `${count(input.connections_open)} of ${many(input.connections_max, 'connection')}`,
    input.batches_refused > 0 && `${many(input.batches_refused, 'batch', 'batches')} refused`,
    input.undecoded > 0 && `${many(input.undecoded, 'event')} not decoded`,
  ]) };
}

function filterCard({ item }) {
  const { node, update } = card(item.name, 'filter');
  return { node, update: ({ item: filter, history }) => update(rate(history.rate(`filter:${filter.name}`)), [], [
    filter.type,
    filter.blocked > 0 && `${count(filter.blocked)} blocked`,
    filter.injected > 0 && `${count(filter.injected)} injected`,
    failed(filter) > 0 && `${count(failed(filter))} failed`,
  ]) };
}

function failed(filter) {
  return filter.failed_kept + filter.failed_tagged + filter.failed_dead;
}

function routeCard({ item }) {
  const { node, update } = card(item.name, 'route', `#/chunks/${encodeURIComponent(item.name)}`);
  return { node, update: ({ item: route, now }) => {
    const waiting = route.staged.events + route.queued.events + route.in_flight.events;
    const full = route.used_bytes / route.limits.total_limit_size;
    update(rate(route.rate_in), [
      route.senders_waiting > 0 && ['bad', `${many(route.senders_waiting, 'sender')} held back`],
      route.paused && ['note', 'paused'],
      full >= 0.8 && ['warn', `${Math.floor(full * 100)} % full`],
      route.dead.events > 0 && ['note', `${many(route.dead.events, 'event')} given up`],
    ], [
      `takes ${route.match}`,
      waiting > 0
        ? `${many(waiting, 'event')} wait${waiting === 1 ? 's' : ''} (${bytes(route.used_bytes)}), oldest ${duration(secondsSince(route.oldest_chunk_created, now))}`
        : 'nothing waits',
      route.durability === 'disk' ? 'acknowledged when synced' : 'acknowledged before the sync',
    ]);
  } };
}

function outputCard({ item }) {
  const { node, update } = card(item.name, 'output');
  return { node, update: ({ item: { name, links }, history, now }) => {
    const down = links.filter(({ output }) => output.breaker_is_open);
    const next = down.map(({ output }) => output.next_attempt).filter(Boolean).sort()[0];
    const owed = links.reduce((sum, { output }) => sum + output.owed_chunks, 0);
    const underWay = links.reduce((sum, { output }) => sum + output.in_flight, 0);
    update(rate(history.rate(`out:${name}`)), [
      down.length > 0 && ['bad', next ? `down, tried ${until(next, now)}` : 'down'],
      links.some(({ output }) => output.paused) && ['note', 'paused'],
    ], [
      `from ${links.map(({ route }) => route.name).join(', ')}`,
      owed > 0 ? `${many(owed, 'chunk')} owed${underWay ? `, ${count(underWay)} under way` : ''}` : 'owed nothing',
      down[0]?.output.last_error,
    ]);
  } };
}

/** Who is joined to whom, how strongly, in which state. Which input feeds which route is counted nowhere: they meet at a hub. */
function edgesOf(status, history) {
  const isHeld = status.routes.some((route) => route.senders_waiting > 0);
  const named = (kind, name) => `.${kind}[data-name="${CSS.escape(name)}"]`;
  const edges = status.inputs.map((input) => (
    { from: named('input', input.name), rate: history.rate(`in:${input.name}`), state: isHeld ? 'held' : 'well' }));
  for (const route of status.routes) {
    const place = named('route', route.name);
    edges.push({ to: place, rate: route.rate_in, state: route.senders_waiting > 0 ? 'held' : 'well' });
    for (const output of route.outputs) {
      const state = output.breaker_is_open ? 'broken' : output.paused || route.paused ? 'paused' : 'well';
      const sent = history.rate(`out:${route.name}:${output.name}`);
      edges.push({ from: place, to: named('output', output.name), rate: sent, state });
    }
  }
  return edges;
}

/** Wires from the right of one card to the left of another; the hub is the filters, or the gap before the routes. */
function drawWires(flow, wires, edges) {
  const frame = flow.getBoundingClientRect();
  attribute(wires, 'viewBox', `0 0 ${frame.width} ${frame.height}`);
  const rect = (selector) => flow.querySelector(selector)?.getBoundingClientRect();
  const at = (x, { top, height }) => [x - frame.left, top + height / 2 - frame.top];
  const [filters, routes] = [rect('.filters ul'), rect('.routes ul')];
  const hub = filters?.width ? [at(filters.left, filters), at(filters.right, filters)] : Array(2).fill(at(routes.left - 20, routes));
  const drawn = edges.map((edge) => {
    const [from, to] = [edge.from && rect(edge.from), edge.to && rect(edge.to)];
    const d = curve(from ? at(from.right, from) : hub[1], to ? at(to.left, to) : hub[0]);
    return { ...edge, d, id: `${edge.from} ${edge.to}` };
  });
  keyed(wires, drawn, ({ id }) => id, wire);
}

function curve([x1, y1], [x2, y2]) {
  const bend = (x1 + x2) / 2;
  return `M${x1} ${y1}C${bend} ${y1} ${bend} ${y2} ${x2} ${y2}`;
}

function wire() {
  const node = svg('path');
  const update = ({ d, rate: events, state }) => {
    attribute(node, 'd', d);
    attribute(node, 'class', `wire ${state}${events > 0 && state === 'well' ? ' flowing' : ''}`);
    attribute(node, 'stroke-width', (1.5 + Math.log10(1 + (events ?? 0)) * 1.3).toFixed(1));
  };
  return { node, update };
}
