// The admin API: requests with the token if there is one, problems as errors, streams of server-sent events.

import { parse } from './format.js';

const ROOT = 'api/v1/';
const TOKEN = 'forebay-token';
const TIMEOUT_MS = 15_000;

/** What the server says is wrong, or that it says nothing. */
export class Problem extends Error {
  constructor(status, detail, reasons = []) {
    super(detail);
    this.status = status;
    this.reasons = reasons;
  }
}

/** What a problem says. Anything else that was thrown is a fault of this page and goes on. */
export function told(error) {
  if (error instanceof Problem) return error.message;
  throw error;
}

/** The moment at the server: its clock, not the one of this machine, is what ages are measured with. */
let clockAhead_ms = 0;
export const serverNow = () => Date.now() + clockAhead_ms;

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (text) => (text ? sessionStorage.setItem(TOKEN, text) : sessionStorage.removeItem(TOKEN)),
};

/** Called with each answer that asks for another token. */
let onUnauthorised = () => {};
export function whenUnauthorised(listener) {
  onUnauthorised = listener;
}

/** A path below `/api/v1/` with its parts encoded: ``path`chunks/${id}` ``. */
export function path(texts, ...parts) {
  return texts.reduce((whole, text, at) => whole + encodeURIComponent(parts[at - 1]) + text);
}

/** Parameters that are set, after a question mark. */
export function query(parameters) {
  const set = Object.entries(parameters).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return set.length ? `?${new URLSearchParams(set)}` : '';
}

async function request(method, where, { body, signal, isStream = false } = {}) {
  const headers = {};
  if (token.get()) headers.authorization = `Bearer ${token.get()}`;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const signals = [signal, isStream ? null : AbortSignal.timeout(TIMEOUT_MS)].filter(Boolean);
  let response;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(ROOT + where, { method, headers, body: sent, cache: 'no-store', signal: AbortSignal.any(signals) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, error.name === 'TimeoutError' ? 'no answer in time' : 'no answer');
  }
  const date = Date.parse(response.headers.get('date'));
  // The header has whole seconds, cut: half of one is the best guess.
  if (date) clockAhead_ms = date + 500 - Date.now();
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  if (response.status === 401) onUnauthorised();
  throw new Problem(response.status, said.detail ?? said.title ?? `status ${response.status}`, said.reasons);
}

/** The JSON at a path. */
export async function get(where, signal) {
  return (await request('GET', where, { signal })).json();
}

/** The same with events in it, whose numbers keep their digits: to be shown, not to be reckoned with. */
export async function getExact(where, signal) {
  return parse(await (await request('GET', where, { signal })).text());
}

/** Asks for something to be done; the JSON of the answer, or `null`. */
export async function post(where, body = {}, method = 'POST') {
  const text = await (await request(method, where, { body })).text();
  return text ? JSON.parse(text) : null;
}

/** A file, as the browser can save it. */
export async function blob(where) {
  return (await request('GET', where)).blob();
}

/**
 * Server-sent events as `{event, data}` until `signal`. By `fetch` and not `EventSource`, which can send no token.
 */
export async function* stream(where, signal) {
  const response = await request('GET', where, { signal, isStream: true });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      const message = message_of(block);
      if (message) yield message;
    }
  }
}

function message_of(block) {
  let event = 'message';
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === 'event') event = value;
    if (name === 'data') data.push(value);
  }
  return data.length ? { event, data: parse(data.join('\n')) } : null;
}

/** The API's own description, once it is known: what this server can do decides which buttons there are. */
let paths = {};
export async function learn() {
  paths = (await get('openapi.json')).paths ?? {};
}

/** Whether the server knows a path, e.g. `chunks/{id}/hold`. */
export function knows(template, method = 'post') {
  return Boolean(paths[`/${ROOT}${template}`]?.[method]);
}

/** The names of the parameters of a query that the server knows for a path. */
export function parameters(template) {
  const listed = paths[`/${ROOT}${template}`]?.get?.parameters ?? [];
  return new Set(listed.filter((parameter) => parameter.in === 'query').map((parameter) => parameter.name));
}
