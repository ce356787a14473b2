// Health in plain words: what is the matter, what that means for the events, and what to do about it.

import { h, keyed, say } from './dom.js';
import { ago, bytes, duration, many, secondsSince, until } from './format.js';
import { actionButtons } from './actions.js';

/** Reasons that the server gives, and what to do about each. What is not here is shown as it came. */
const ADVICE = [
  [/^starting/, 'note', 'It reads what is on the disk first. Senders that wait need to do nothing.'],
  [/^stopping/, 'note', 'It finishes what is under way. What is stored is delivered after the next start.'],
  [/^route .* is full/, 'bad', 'Senders wait, and nothing that was acknowledged is lost. Bring back the destination that'
    + ' holds it up (below), or give the route more room: total_limit_size.'],
  [/failed writes or syncs/, 'bad', 'Look at the disk: its free space, and the kernel\'s messages. What could not be'
    + ' synced was refused, so its senders have it still. When the disk is in order, restart Forebay.'],
  [/deliveries of route .* have stopped/, 'bad', 'Restart Forebay: what is stored is kept, and delivered then. The log'
    + ' says what happened; please report it.'],
  [/the store takes nothing/, 'bad', 'Restart Forebay: what is stored is kept. The log says what happened; please report it.'],
  [/damaged pieces/, 'warn', 'What was damaged is set aside in the quarantine, and the rest is delivered. Look at the'
    + ' disk; `forebay buffer verify` reads every byte. What was set aside is listed beside the dead letters.'],
];

/** How full a route may be before somebody should know. */
const NEARLY_FULL = 0.8;

/** A month ahead nobody needs to know. */
const FULL_SOON_S = 30 * 86_400;

/** Everything that somebody should know, the worst first. */
export function findings(status, now) {
  const found = [
    ...status.health.reasons.map(ofReason),
    ...status.inputs.filter((input) => input.stuck).map(ofStuckInput),
    ...status.routes.flatMap((route) => [...ofRoute(route, status, now)]),
  ];
  const order = ['bad', 'warn', 'note'];
  return found.sort((one, other) => order.indexOf(one.level) - order.indexOf(other.level));
}

function ofReason(reason) {
  const [, level, todo] = ADVICE.find(([pattern]) => pattern.test(reason)) ?? [null, 'bad', 'The log says more.'];
  return { id: `reason ${reason.replace(/\d+/g, '#')}`, level, what: sentence(reason), todo };
}

function ofStuckInput(input) {
  const todo = 'A read takes longer than it may: what it reads from hangs. Look there; Forebay goes on by itself.';
  return { id: `input ${input.name}`, level: 'warn', what: `Input ${input.name} is stuck.`, todo };
}

function* ofRoute(route, status, now) {
  for (const output of route.outputs) {
    if (output.breaker_is_open) yield ofOpenBreaker(route, output, status, now);
    if (output.paused) {
      const what = `Deliveries from ${route.name} to ${output.name} are paused by hand.`;
      yield { id: `paused ${route.name} ${output.name}`, level: 'note', what, todo: 'Resume when you are done.', route, output };
    }
  }
  if (route.paused) {
    const what = `Route ${route.name} is paused by hand: it stores, and delivers nothing.`;
    yield { id: `paused ${route.name}`, level: 'note', what, todo: 'Resume when you are done.', route };
  }
  const full = route.used_bytes / route.limits.total_limit_size;
  if (full >= NEARLY_FULL && !route.senders_waiting) {
    const what = `Route ${route.name} is ${Math.floor(full * 100)} % full${toFull(route)}.`;
    const todo = { block: 'Then senders wait.', reject: 'Then senders are refused.' }[route.overflow]
      ?? 'Then its oldest chunks are dropped, and counted.';
    yield { id: `full ${route.name}`, level: 'warn', what, todo: `${todo} Bring its destinations back, or give it more room.` };
  }
  if (route.dead.chunks > 0) {
    const what = `${many(route.dead.events, 'event')} of route ${route.name} could not be delivered and`
      + ` ${route.dead.events === 1 ? 'is' : 'are'} kept as dead letters.`;
    const todo = 'Read why, correct it, and replay them.';
    yield { id: `dead ${route.name}`, level: 'note', what, todo, link: [`#/dead/${encodeURIComponent(route.name)}`, 'Look at them'] };
  }
}

function ofOpenBreaker(route, output, status, now) {
  const since = output.last_success ?? status.started;
  const oldest = secondsSince(output.oldest_owed, now);
  const what = `${output.name} has taken nothing for ${duration(secondsSince(since, now))}.`
    + ` ${many(output.owed_chunks, 'chunk')} of route ${route.name} wait${output.owed_chunks === 1 ? 's' : ''} for it`
    + `${oldest === null ? '' : `, the oldest for ${duration(oldest)}`}. Nothing is lost${toFull(route)}.`;
  const next = output.next_attempt ? ` It is tried again ${until(output.next_attempt, now)};` : '';
  const todo = `Look at that server and the way to it.${next} when it is back, everything follows by itself.`;
  return { id: `open ${route.name} ${output.name}`, level: 'warn', what, todo, detail: output.last_error, route, output };
}

function toFull(route) {
  const full_s = timeToFull(route);
  return full_s === null ? '' : `; at this rate there is room for ${duration(full_s)} more`;
}

/** When a route will be full, in seconds, if that is worth telling; else `null`. */
export function timeToFull({ time_to_full_s }) {
  return time_to_full_s > 0 && time_to_full_s < FULL_SOON_S ? time_to_full_s : null;
}

/** The whole in one line: `[level, sentence]`. */
export function verdict(status, found) {
  const { health, phase } = status;
  if (!health.live) return ['bad', 'Not in order: only a restart helps'];
  if (phase === 'stopping') return ['warn', 'Stopping: nothing is taken in any more'];
  if (phase === 'starting') return ['warn', 'Starting: nothing is taken in yet'];
  if (!health.ready) return ['bad', 'Not everything can be taken in'];
  if (found.some((finding) => finding.level === 'bad')) return ['bad', 'Something needs you'];
  if (found.some((finding) => finding.level === 'warn')) return ['warn', 'Events are late; none is lost'];
  return ['good', 'All is well'];
}

/** The section on the overview. */
export function healthPanel() {
  const title = h('h2', { class: 'verdict' });
  const summary = h('p', { class: 'dim' });
  const list = h('ul', { class: 'findings' });
  const node = h('section', { class: 'panel health', 'aria-label': 'Health' }, title, summary, list);
  const update = (status, now) => {
    const found = findings(status, now);
    const [level, words] = verdict(status, found);
    node.dataset.level = level;
    say(title, words);
    say(summary, summaryOf(status, now));
    keyed(list, found, (finding) => finding.id, findingRow);
  };
  return { node, update };
}

function summaryOf(status, now) {
  const waiting = status.routes.reduce((sum, route) => sum + route.staged.events + route.queued.events + route.in_flight.events, 0);
  const size = status.routes.reduce((sum, route) => sum + route.used_bytes, 0);
  const oldest = status.routes.map((route) => route.oldest_chunk_created).filter(Boolean).sort()[0];
  const behind = waiting ? `${many(waiting, 'event')} (${bytes(size)}) on disk, the oldest stored ${ago(oldest, now)}` : 'everything is delivered';
  return `${many(status.inputs.length, 'input')}, ${many(status.routes.length, 'route')}; ${behind}.`;
}

function findingRow() {
  const what = h('p', { class: 'what' });
  const todo = h('p', { class: 'todo' });
  const detail = h('p', { class: 'detail' });
  const acts = h('p', { class: 'acts' });
  const node = h('li', {}, what, detail, todo, acts);
  const update = (finding) => {
    node.dataset.level = finding.level;
    say(what, finding.what);
    say(todo, finding.todo);
    say(detail, finding.detail);
    detail.hidden = !finding.detail;
    if (!acts.hasChildNodes()) acts.append(...actsOf(finding));
    acts.hidden = !acts.hasChildNodes();
  };
  return { node, update };
}

function actsOf({ link, route, output }) {
  if (link) return [h('a', { href: link[0] }, link[1])];
  if (output) return actionButtons('output', { route: route.name, output: output.name }, output.paused ? ['resume'] : ['retry']);
  if (route) return actionButtons('route', { route: route.name }, ['resume']);
  return [];
}

function sentence(text) {
  return `${text[0].toUpperCase()}${text.slice(1)}.`;
}
