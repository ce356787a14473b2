// Elements without a framework. Text only ever enters the document as text: nothing here, or
// anywhere in this page, parses a string as HTML, so an event with markup in it is shown, not run.

const SVG = 'http://www.w3.org/2000/svg';

/** An element: `class`, `on: {click}` and `data: {..}` are special, `null` and `false` leave an attribute out. */
export function h(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** The same for the elements of a drawing. */
export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, { on = {}, data = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) attribute(node, name, value);
  for (const [name, value] of Object.entries(data)) node.dataset[name] = value;
  for (const [name, listener] of Object.entries(on)) node.addEventListener(name, listener);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets an attribute, or takes it away, if that changes anything. */
export function attribute(node, name, value) {
  if (value === null || value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value === true ? '' : value)) {
    node.setAttribute(name, value === true ? '' : value);
  }
}

/** Sets a node's text if it changes: what did not change is not read out again, and stays selected. */
export function say(node, text) {
  const said = text === null || text === undefined ? '' : String(text);
  if (node.textContent !== said) node.textContent = said;
}

/** Shows or hides a node. */
export function show(node, isShown) {
  if (node.hidden === Boolean(isShown)) node.hidden = !isShown;
}

/**
 * Makes a parent's children those of `items`, in their order. What is there under the same key stays, with its focus
 * and whether it is open: `create(item)` gives `{node, update}` once, `update(item)` is called each time.
 */
export function keyed(parent, items, key, create) {
  const before = parent.rowsByKey ?? new Map();
  const after = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const id = key(item);
    const row = before.get(id) ?? create(item);
    before.delete(id);
    after.set(id, row);
    row.update?.(item);
    if (row.node === place) place = place.nextSibling;
    else parent.insertBefore(row.node, place);
  }
  for (const row of before.values()) row.node.remove();
  parent.rowsByKey = after;
}

/** A table in a box that scrolls by itself, with heads of columns as given: text, or `{text, class}`. */
export function table(caption, heads) {
  const body = h('tbody');
  const cells = heads.map((head) => h('th', { scope: 'col', class: head.class }, head.text ?? head));
  const whole = h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, h('tr', {}, cells)), body);
  const node = h('div', { class: 'scroll', role: 'region', tabindex: 0, 'aria-label': caption }, whole);
  return { node, body };
}

/** A button. */
export function button(label, onClick, attributes = {}) {
  return h('button', { type: 'button', ...attributes, on: { click: onClick } }, label);
}

/** A field with its label. */
export function field(label, control) {
  return h('label', { class: 'field' }, h('span', {}, label), control);
}

/** A choice from `[value, label]` pairs. */
export function choice(pairs, attributes = {}) {
  return h('select', attributes, pairs.map(([value, label]) => h('option', { value }, label)));
}
