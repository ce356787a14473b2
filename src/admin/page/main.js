// The page: which view is shown, and the status that all views are drawn from.

import { allow } from './actions.js';
import { chunkView } from './chunk.js';
import { chunksView } from './chunks.js';
import { deadView } from './dead.js';
import { askToken, toast } from './dialog.js';
import { attribute, button, choice, h, say, show } from './dom.js';
import { duration } from './format.js';
import { findings, verdict } from './health.js';
import { History } from './history.js';
import { liveView } from './live.js';
import { get, knows, learn, serverNow, token, whenUnauthorised } from './api.js';
import { overview } from './overview.js';

const POLL_MS = 2_000;
const POLL_HIDDEN_MS = 15_000;

/** Views by the first part of the address after the hash. */
const VIEWS = {
  '': [overview, 'Overview'], chunks: [chunksView, 'Chunks'], chunk: [chunkView, 'Chunk'],
  dead: [deadView, 'Dead letters'], live: [liveView, 'Live'],
};

const main = document.getElementById('main');
const pulse = document.getElementById('pulse');
const age = document.getElementById('age');
const history = new History();
let latest = null;
let heard_ms = null;
let view = null;
let timer = 0;

/** Shows the view that the address names. */
function navigate() {
  if (!location.hash.startsWith('#/') && location.hash !== '') return;
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('?')[0].split('/');
  const [create, title] = VIEWS[name] ?? VIEWS[''];
  const isFirst = view === null;
  view?.abort.abort();
  const abort = new AbortController();
  main.replaceChildren();
  const parameters = new URLSearchParams(location.hash.split('?')[1] ?? '');
  view = { name, abort, ...create(main, { part: decodeURIComponent(rest[0] ?? ''), parameters, signal: abort.signal, status: () => latest }) };
  document.title = `${title} – Forebay`;
  for (const link of document.querySelectorAll('nav a')) {
    const target = link.getAttribute('href').slice(2);
    attribute(link, 'aria-current', target === name || (target === 'chunks' && name === 'chunk') ? 'page' : null);
  }
  if (!isFirst) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
  placePulse();
  redraw();
}

function redraw() {
  if (latest) view?.update?.({ status: latest, history, now: serverNow() });
}

async function poll() {
  clearTimeout(timer);
  try {
    latest = await get('status');
    heard_ms = Date.now();
    history.add(latest, heard_ms);
    redraw();
  } catch (problem) {
    if (problem.status === undefined) throw problem;
    tellAbsence(problem);
    return;
  } finally {
    timer = setTimeout(poll, document.hidden ? POLL_HIDDEN_MS : POLL_MS);
  }
  tellHealth();
}

/** On the overview the health panel says it, larger: there the line is for screen readers only. */
function placePulse() {
  pulse.parentElement.classList.toggle('unseen', view?.name === '' && !main.classList.contains('stale'));
}

function tellHealth() {
  const [level, words] = verdict(latest, findings(latest, serverNow()));
  pulse.parentElement.dataset.level = level;
  main.classList.remove('stale');
  placePulse();
  say(pulse, words);
  say(age, '');
  document.title = document.title.replace(/^(● )?/, level === 'bad' ? '● ' : '');
}

/** The last known numbers stay, visibly old. */
function tellAbsence(problem) {
  pulse.parentElement.dataset.level = 'bad';
  main.classList.add('stale');
  placePulse();
  say(pulse, problem.status ? `Forebay answers: ${problem.message}.` : 'Forebay does not answer.');
  // Beside the line that is read out, because it changes with each look.
  say(age, heard_ms === null ? '' : `What you see is ${duration((Date.now() - heard_ms) / 1000)} old.`);
}

let isAsking = false;
whenUnauthorised(async () => {
  if (isAsking) return;
  isAsking = true;
  const given = await askToken(Boolean(token.get()));
  isAsking = false;
  if (given === null) return;
  token.set(given);
  await start();
  navigate();
});

function tools() {
  const themes = choice([['', 'Theme: as the system'], ['light', 'Theme: light'], ['dark', 'Theme: dark']], { 'aria-label': 'Theme' });
  const wear = () => attribute(document.documentElement, 'data-theme', themes.value || null);
  themes.value = localStorage.getItem('forebay-theme') ?? '';
  themes.addEventListener('change', () => {
    localStorage.setItem('forebay-theme', themes.value);
    wear();
  });
  wear();
  const forget = button('Forget token', () => {
    token.set(null);
    location.reload();
  }, { id: 'forget' });
  document.getElementById('tools').append(h('span', { id: 'who', class: 'dim' }), forget, themes);
}

/** Learns what the server can do, and who we are; then looks at it again and again. */
async function start() {
  await learn().catch(() => {});
  const { who, role } = await (knows('caller', 'get') ? get('caller') : Promise.reject()).catch(() => ({}));
  say(document.getElementById('who'), who && who !== 'local' ? `${who} (${role})` : '');
  allow(role !== 'read');
  show(document.getElementById('forget'), token.get());
  await poll();
}

document.addEventListener('visibilitychange', () => !document.hidden && poll());
document.addEventListener('acted', poll);
addEventListener('hashchange', navigate);
addEventListener('unhandledrejection', ({ reason }) => {
  if (reason?.name === 'AbortError') return;
  toast(`This page failed: ${reason?.message ?? reason}`, 'bad');
});
tools();
await start();
navigate();
