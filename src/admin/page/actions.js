// What can be done: each with its question, its path, and what it means. A button is there only if the server knows the
// path, and can be pressed only by who may.

import { get, knows, path, post, told } from './api.js';
import { button } from './dom.js';
import { confirm, toast } from './dialog.js';
import { many, shortId } from './format.js';

/** The actions by what they act on; `at` gives the path from a target, `template` is how the API describes it. */
const ACTIONS = {
  route: {
    flush: { label: 'Flush', template: 'routes/{route}/flush', at: ({ route }) => path`routes/${route}/flush`,
      title: ({ route }) => `Flush route ${route}?`, text: 'Chunks that still take events are sealed and delivered now.' },
    pause: { label: 'Pause', template: 'routes/{route}/pause', at: ({ route }) => path`routes/${route}/pause`,
      title: ({ route }) => `Pause route ${route}?`,
      text: 'Nothing is delivered until it is resumed, also after a restart. Events are taken in and kept until the route is full.' },
    resume: { label: 'Resume', template: 'routes/{route}/resume', at: ({ route }) => path`routes/${route}/resume`,
      title: ({ route }) => `Resume route ${route}?`, text: 'What waits is delivered again, the oldest first.' },
  },
  output: {
    retry: { label: 'Try now', template: 'routes/{route}/outputs/{output}/retry',
      at: ({ route, output }) => path`routes/${route}/outputs/${output}/retry`,
      title: ({ output }) => `Try ${output} now?`, text: 'What waits for its next attempt is tried at once.' },
    pause: { label: 'Pause', template: 'routes/{route}/outputs/{output}/pause',
      at: ({ route, output }) => path`routes/${route}/outputs/${output}/pause`,
      title: ({ route, output }) => `Pause deliveries from ${route} to ${output}?`,
      text: 'The destination is sent nothing by this route until it is resumed, also after a restart. Other destinations go on.' },
    resume: { label: 'Resume', template: 'routes/{route}/outputs/{output}/resume',
      at: ({ route, output }) => path`routes/${route}/outputs/${output}/resume`,
      title: ({ route, output }) => `Resume deliveries from ${route} to ${output}?`, text: 'What waits is delivered again.' },
  },
  chunk: {
    seal: { label: 'Seal', template: 'chunks/{id}/seal', at: ({ id }) => path`chunks/${id}/seal`,
      title: ({ id }) => `Seal chunk ${shortId(id)}?`, text: 'It takes no more events and is delivered now.' },
    retry: { label: 'Try now', template: 'chunks/{id}/retry', at: ({ id }) => path`chunks/${id}/retry`,
      title: ({ id }) => `Try chunk ${shortId(id)} now?`, text: 'It is offered at once to every destination that waits for its next attempt.' },
    hold: { label: 'Hold', template: 'chunks/{id}/hold', at: ({ id }) => path`chunks/${id}/hold`,
      title: ({ id }) => `Hold chunk ${shortId(id)}?`,
      text: 'It is offered to nobody until it is released, also after a restart. It does not expire meanwhile.' },
    release: { label: 'Release', template: 'chunks/{id}/release', at: ({ id }) => path`chunks/${id}/release`,
      title: ({ id }) => `Release chunk ${shortId(id)}?`, text: 'It is offered to its destinations again.' },
    bury: { label: 'Give up…', template: 'chunks/{id}/bury', at: ({ id }) => path`chunks/${id}/bury`, isDangerous: true,
      title: ({ id }) => `Move chunk ${shortId(id)} to the dead letters?`,
      text: 'It is not tried again. It is kept with your reason, and can be replayed.',
      fields: () => [{ name: 'reason', label: 'Reason', isRequired: true }] },
    replay: { label: 'Replay…', template: 'chunks/{id}/replay', at: ({ id }) => path`chunks/${id}/replay`,
      title: ({ id }) => `Replay dead letter ${shortId(id)}?`,
      text: 'Its events go back into the route and are delivered. A destination may get again what it took before.' },
    drop: { label: 'Delete…', template: 'chunks/{id}/drop', at: ({ id }) => path`chunks/${id}/drop`, word: ({ id }) => id,
      title: ({ id }) => `Delete chunk ${shortId(id)}?`, text: 'Its events are gone for ever, delivered or not. That is counted.' },
  },
  dead: {
    drop: { label: 'Delete all…', template: 'routes/{route}/dead/drop', at: ({ route }) => path`routes/${route}/dead/drop`,
      word: ({ route }) => route, title: ({ route }) => `Delete all dead letters of route ${route}?`,
      text: 'Their events are gone for ever. That is counted.' },
  },
  orphan: {
    drop: { label: 'Delete…', template: 'orphans/{name}/drop', at: ({ name }) => path`orphans/${name}/drop`, word: ({ name }) => name,
      title: ({ name }) => `Delete the orphan ${name}?`, text: 'Its events are gone for ever, delivered or not.' },
  },
  daemon: {
    reload: { label: 'Reload configuration', template: 'reload', at: () => 'reload', title: () => 'Reload the configuration?',
      text: 'The file is read and checked first. If anything in it is wrong, everything stays as it is.' },
    flush: { label: 'Flush all routes', template: 'flush', at: () => 'flush', title: () => 'Flush all routes?',
      text: 'Chunks that still take events are sealed and delivered now.' },
    verify: { label: 'Verify what is on disk', template: 'verify', at: () => 'verify', title: () => 'Verify what is on disk?',
      text: 'Every stored byte is read and compared with its checksum. Nothing is changed.' },
    log: { label: 'Log level…', template: 'log-level', method: 'put', at: () => 'log-level', title: () => 'Which lines of the log are written?',
      text: 'Until the next start. For example: info, or warn,forebay=debug.',
      fields: async () => [{ name: 'filter', label: 'Filter', value: (await get('log-level')).filter, isRequired: true }] },
    drain: { label: 'Drain and stop', template: 'drain', at: () => 'drain', isDangerous: true, title: () => 'Drain and stop?',
      text: 'Nothing is taken in any more; it stops when everything is delivered. This page goes with it.' },
  },
};

/** Whether whoever looks may do anything; `read` may not. */
let isAllowed = true;
export function allow(allowed) {
  isAllowed = allowed;
  for (const node of document.querySelectorAll('button[data-action]')) forbid(node);
}

function forbid(node) {
  node.disabled = !isAllowed;
  node.title = isAllowed ? '' : 'Your token may only read.';
}

/** Buttons for `names` of what can be done to `target`, as far as the server knows them. */
export function actionButtons(kind, target, names, after = () => {}) {
  return names.filter((name) => knows(ACTIONS[kind][name].template, ACTIONS[kind][name].method)).map((name) => {
    const action = ACTIONS[kind][name];
    return actionButton(action.label, name, () => run(action, target).then((done) => done && after()), action.word || action.isDangerous);
  });
}

/** A button for something to be done, which is out of reach for who may only read. */
export function actionButton(label, name, onClick, isDangerous = false) {
  const node = button(label, onClick, { class: isDangerous ? 'danger small' : 'small', data: { action: name } });
  forbid(node);
  return node;
}

/** Asks, does it, and says what came of it; whether it was done. */
async function run(action, target) {
  const answer = await confirm({
    title: action.title(target), text: action.text, fields: (await action.fields?.(target)) ?? [], isDangerous: action.isDangerous,
    word: action.word?.(target) ?? null, submit: action.label.replace('…', ''),
  });
  return answer !== null && perform(() => post(action.at(target), answer, action.method));
}

/** What came of a verification, a reload or a replay, whose answers are reports. */
function reported(answer) {
  if (answer?.is_clean === true) return `nothing is wrong: ${many(answer.events, 'event')} read in ${answer.took_s.toFixed(1)} s`;
  if (answer?.is_clean === false) return `${many(answer.faults, 'fault')} found, the first in chunk ${answer.found[0]?.chunk}`;
  if (answer?.routes?.kept) return changes(answer);
  return answer?.is_running === undefined ? null : `begun; ${many(answer.total, 'letter')}`;
}

function changes(answer) {
  const kinds = Object.entries(answer).flatMap(([kind, names]) => ['changed', 'added', 'removed']
    .filter((what) => names[what].length).map((what) => `${kind} ${what}: ${names[what].join(', ')}`));
  return `reloaded; ${kinds.join('; ') || 'nothing is different'}`;
}

/** Does something and says what came of it; whether it was done. */
export async function perform(doing) {
  try {
    toast(outcome(await doing()));
    document.dispatchEvent(new Event('acted'));
    return true;
  } catch (problem) {
    toast([`Not done: ${told(problem)}`, ...(problem.reasons ?? [])].join('\n'), 'bad');
    return false;
  }
}

function outcome(answer) {
  const detail = answer?.detail ?? reported(answer) ?? 'done';
  const chunks = answer?.chunks ? ` (${many(answer.chunks, 'chunk')})` : '';
  return `${detail[0].toUpperCase()}${detail.slice(1)}${chunks}.`;
}
