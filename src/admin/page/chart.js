// Line charts of the last minutes: lines in SVG, words in HTML, the same numbers as a table.

import { h, keyed, say, svg, table } from './dom.js';
import { NONE, clock, duration } from './format.js';

const WIDTH = 600;
const HEIGHT = 120;
const SERIES_MAX = 6;

/** Time from edge to edge at least. */
const SHORTEST_MS = 120_000;

/** Rows of the table: more would be no overview either. */
const ROWS_MAX = 30;

/** A chart; `update(times, series)` draws `series`: `[{name, values}]`, with `null` where nothing is known. */
export function chart(title, format, base = 10) {
  const lines = svg('g');
  const cursor = svg('line', { class: 'cursor', y1: 0, y2: HEIGHT, visibility: 'hidden' });
  const grid = [0.25, 0.5, 0.75].map((part) => svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part }));
  const plot = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img' }, ...grid, lines, cursor);
  const [highest, from, when] = [h('span', { class: 'highest' }), h('span'), h('span', {}, 'now')];
  const legend = h('ul', { class: 'legend' });
  const numbers = numbersTable(title, format);
  const node = h('figure', { class: 'chart' },
    h('figcaption', {}, title), legend,
    h('div', { class: 'plot' }, highest, plot),
    h('div', { class: 'axis', 'aria-hidden': 'true' }, from, when), numbers.node);

  let drawn = { times: [], series: [] };
  let pointed = null;
  const redraw = () => {
    const { times, series } = drawn;
    const max = niceMax(Math.max(0, ...series.flatMap(({ values }) => values)), base);
    const x = scale(times);
    const shown = series.slice(0, SERIES_MAX).map((one, at) => ({ ...one, at, times, x, max }));
    keyed(lines, shown, ({ name }) => name, line);
    keyed(legend, shown, ({ name }) => name, () => entry(format, () => pointed));
    say(highest, format(max));
    say(from, `${duration(Math.max(SHORTEST_MS, times.at(-1) - times[0] || 0) / 1000)} ago`);
    say(when, pointed === null ? 'now' : clock(times[pointed]).slice(0, 8));
    plot.setAttribute('aria-label', `${title}. ${series.map((one) => inWords(one, format)).join('; ')}`);
    cursor.setAttribute('visibility', pointed === null ? 'hidden' : 'visible');
    if (pointed !== null) for (const end of ['x1', 'x2']) cursor.setAttribute(end, x(times[pointed]));
  };
  plot.addEventListener('pointermove', (event) => {
    const box = plot.getBoundingClientRect();
    pointed = nearest(drawn.times, ((event.clientX - box.left) / box.width) * WIDTH);
    redraw();
  });
  plot.addEventListener('pointerleave', () => {
    pointed = null;
    redraw();
  });
  const update = (times, series) => {
    drawn = { times, series };
    if (pointed !== null && pointed >= times.length) pointed = null;
    redraw();
    numbers.update(times, series);
  };
  return { node, update };
}

/** Where a time is: the newest at the right edge, and never so few minutes that a line leaps while it grows. */
function scale(times) {
  const [first, last] = [times[0], times.at(-1)];
  const width_ms = Math.max(last - first, SHORTEST_MS);
  return (time) => WIDTH - ((last - time) / width_ms) * WIDTH;
}

function nearest(times, x) {
  const at = scale(times);
  return times.reduce((best, time, index) => (Math.abs(at(time) - x) < Math.abs(at(times[best]) - x) ? index : best), 0);
}

function line() {
  const node = svg('path');
  const update = ({ values, times, x, max, at: index }) => {
    let d = '';
    let isDown = false;
    values.forEach((value, at) => {
      if (value !== null) {
        const y = HEIGHT - (value / max) * (HEIGHT - 3) - 1;
        d += `${isDown ? 'L' : 'M'}${x(times[at]).toFixed(1)} ${y.toFixed(1)}`;
      }
      isDown = value !== null;
    });
    node.setAttribute('d', d);
    node.setAttribute('class', `line series-${index}`);
  };
  return { node, update };
}

function entry(format, pointed) {
  const swatch = svg('svg', { class: 'swatch', viewBox: '0 0 24 8', 'aria-hidden': 'true' }, svg('path', { d: 'M0 4H24' }));
  const [label, value] = [h('span'), h('strong')];
  const update = ({ name, values, at }) => {
    swatch.firstChild.setAttribute('class', `line series-${at}`);
    say(label, name);
    say(value, format(values[pointed() ?? values.length - 1] ?? null));
  };
  return { node: h('li', {}, swatch, label, value), update };
}

function inWords({ name, values }, format) {
  const known = values.filter((value) => value !== null);
  if (!known.length) return `${name}: nothing is known yet`;
  return `${name}: now ${format(values.at(-1))}, between ${format(Math.min(...known))} and ${format(Math.max(...known))}`;
}

/** The next round number, so that the scale does not jump with each sample: 1, 2, 5, 10 and so on, or powers of two. */
function niceMax(max, base) {
  if (max <= 1) return 1;
  if (base === 2) return 2 ** Math.ceil(Math.log2(max));
  const power = 10 ** Math.floor(Math.log10(max));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= max);
}

/** Filled when it is opened: a table that changes cannot be read. */
function numbersTable(title, format) {
  const holder = h('div');
  let latest = [[], []];
  const fill = () => {
    const [times, series] = latest;
    const shown = table(`${title}, newest first`, ['Time', ...series.map(({ name }) => name)]);
    const step = Math.max(1, Math.ceil(times.length / ROWS_MAX));
    for (let at = times.length - 1; at >= 0; at -= step) {
      const cells = series.map(({ values }) => h('td', {}, values[at] === null ? NONE : format(values[at])));
      shown.body.append(h('tr', {}, h('th', { scope: 'row' }, clock(times[at]).slice(0, 8)), cells));
    }
    holder.replaceChildren(shown.node);
  };
  const node = h('details', {}, h('summary', {}, 'As a table'), holder);
  node.addEventListener('toggle', () => node.open && fill());
  return { node, update: (...given) => { latest = given; } };
}
