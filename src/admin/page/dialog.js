// Questions before something is done, and what came of it.

import { button, field, h, say } from './dom.js';

/** How long a message stays. */
const TOAST_MS = 8_000;

/** More than so many at once would hide the page. */
const TOASTS_MAX = 3;

/** A modal dialog; resolves with what `onSubmit` gives, or `null` if it was closed. */
function ask({ title, text, fields = [], submit, isDangerous = false, check = () => '' }) {
  return new Promise((resolve) => {
    const problem = h('p', { class: 'problem', role: 'alert' });
    const go = h('button', { type: 'submit', class: isDangerous ? 'danger' : 'primary' }, submit);
    const close = () => dialog.close();
    const form = h('form', {}, h('h2', { id: 'dialog-title' }, title), text && h('p', { id: 'dialog-text' }, text),
      fields.map(({ label, control }) => field(label, control)), problem,
      h('p', { class: 'acts' }, button('Cancel', close), go));
    const dialog = h('dialog', { 'aria-labelledby': 'dialog-title', 'aria-describedby': text ? 'dialog-text' : null }, form);
    let answer = null;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const wrong = check();
      say(problem, wrong);
      if (wrong) return;
      answer = Object.fromEntries(fields.map(({ name, control }) => [name, control.value.trim()]));
      dialog.close();
    });
    // The browser gives the focus back to where it was.
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/**
 * Asks whether to do something. `fields`: `[{name, label, value?, isRequired?}]`; with `word` it must be typed in.
 * Resolves with the fields' values (the word as `confirm`), or `null`.
 */
export function confirm({ title, text, fields = [], submit, word = null, isDangerous = word !== null }) {
  const made = fields.map(({ name, label, value = '', type = 'text', isRequired = false, options }) => ({
    name, label, control: options ?? h('input', { value, type, min: type === 'number' && 1, required: isRequired, autocomplete: 'off' }),
  }));
  if (word !== null) {
    const control = h('input', { required: true, autocomplete: 'off', spellcheck: 'false', class: 'code' });
    made.push({ name: 'confirm', label: `Type ${word} to confirm`, control });
  }
  const typed = () => made.find(({ name }) => name === 'confirm')?.control.value.trim();
  const check = () => (word !== null && typed() !== word ? 'That is not what stands above.' : '');
  return ask({ title, text, fields: made, submit, isDangerous, check });
}

/** Asks for a token. */
export async function askToken(isRefused) {
  const control = h('input', { type: 'password', autocomplete: 'off', required: true });
  const text = isRefused ? 'This token was not accepted.' : 'This server asks who you are. The token is kept until this tab is closed.';
  const fields = [{ name: 'token', label: 'Token', control }];
  return (await ask({ title: 'Token', text, fields, submit: 'Go on' }))?.token ?? null;
}

/** Says for a while what came of something. */
export function toast(text, level = 'good') {
  const node = h('p', { data: { level } }, text);
  const list = document.getElementById('toasts');
  list.append(node);
  if (list.children.length > TOASTS_MAX) list.firstElementChild.remove();
  setTimeout(() => node.remove(), TOAST_MS);
}
